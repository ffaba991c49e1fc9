// Single-letter shortcuts. They can be disabled, because a word that is dictated to
// speech input is many of them.

import { $ } from "./dom.js";

const box = $("#keys [name=on]");
box.checked = stored((storage) => storage.keys) !== "off";
box.addEventListener("change", () => stored((storage) => { storage.keys = box.checked ? "on" : "off"; }));

function stored(act) {
	try {
		return act(localStorage);
	} catch {
		// The browser is set to store nothing. The choice lasts until the page is left.
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
