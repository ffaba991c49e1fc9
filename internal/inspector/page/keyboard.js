// Single keys that act. They can be turned off, for whom they get in the way of:
// with speech input, a spoken word is many of them.

import { $ } from "./dom.js";

const box = $("#keys [name=on]");
box.checked = recall() !== "off";
box.addEventListener("change", () => remember(box.checked ? "on" : "off"));

// A browser that is told to keep nothing throws where it is asked to.

function recall() {
	try {
		return localStorage.getItem("keys");
	} catch {
		return null; // as where nothing was chosen
	}
}

function remember(choice) {
	try {
		localStorage.setItem("keys", choice);
	} catch {
		// It holds until the page is left.
	}
}

export const openKeys = () => $("#keys").showModal();

export function listen(keys, { escape }) {
	let held = ""; // what has acted must not also write, into the field that it has opened
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
