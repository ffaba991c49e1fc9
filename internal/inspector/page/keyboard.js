// Single-letter shortcuts. They can be disabled, because a word that is dictated to
// speech input is many of them.

import { $ } from "./dom.js";

const box = $("#keys [name=on]");
box.checked = recall() !== "off";
box.addEventListener("change", () => remember(box.checked ? "on" : "off"));

// localStorage throws in a browser that is set to store nothing.

function recall() {
	try {
		return localStorage.getItem("keys");
	} catch {
		return null;
	}
}

function remember(choice) {
	try {
		localStorage.setItem("keys", choice);
	} catch {
		// The choice lasts until the page is left.
	}
}

export const openKeys = () => $("#keys").showModal();

export function listen(keys, { escape }) {
	let held = ""; // the last shortcut, which must not type into the field that it opened
	addEventListener("keypress", (event) => { if (event.key === held) event.preventDefault(); });
	addEventListener("keydown", (event) => {
		if (!event.repeat) held = "";
		if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
		const field = event.target.closest("input, textarea, select");
		if (event.key === "Escape") {
			escape(field);
			return;
		}
		const act = keys[event.key];
		if (!act || !box.checked || event.repeat || (field && field.type !== "checkbox")) return;
		event.preventDefault();
		held = event.key;
		act();
	});
}
