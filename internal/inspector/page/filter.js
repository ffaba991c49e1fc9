// The filter in the form, in the page's URL and in API calls. It is in the fragment
// of the URL, which browsers do not send to servers.

import { capital, words } from "./dom.js";

const chosen = ["status", "reason", "origin"]; // select fields, whose values have no spaces
const single = ["text", "endpoint", "id"];

// folded are the parameters whose fields are behind a button.
const folded = ["endpoint", "id", ...chosen];

for (const option of document.querySelectorAll("[name=reason] option")) {
	option.setAttribute("value", option.value);
	option.text = capital(words(option.text));
}

// parse reads the fragment of a URL.
export function parse(hash) {
	const given = new URLSearchParams(hash.replace(/^#/, ""));
	const state = { open: given.get("open") ?? "", filter: new URLSearchParams() };
	for (const name of ["outcome", "failed", "type", ...chosen, ...single]) {
		for (const value of given.getAll(name)) if (value !== "") state.filter.append(name, value);
	}
	return state;
}

export function format({ open, filter }) {
	const all = new URLSearchParams(filter);
	if (open) all.set("open", open);
	const text = all.toString();
	return text ? "#" + text : location.pathname + location.search;
}

export function fromForm(form) {
	const filter = new URLSearchParams();
	for (const box of form.elements.outcome) if (box.checked) filter.append("outcome", box.value);
	if (form.elements.failed.checked) filter.set("failed", "true");
	for (const type of form.elements.type.value.split(/[\s,]+/)) if (type) filter.append("type", type);
	for (const name of chosen) {
		for (const value of form.elements[name].value.split(" ")) if (value) filter.append(name, value);
	}
	for (const name of single) {
		const value = form.elements[name].value.trim();
		if (value) filter.set(name, value);
	}
	return filter;
}

export function toForm(form, filter) {
	for (const box of form.elements.outcome) box.checked = filter.getAll("outcome").includes(box.value);
	form.elements.failed.checked = filter.has("failed");
	form.elements.type.value = filter.getAll("type").join(" ");
	for (const name of [...single, ...chosen]) {
		const field = form.elements[name];
		const value = filter.getAll(name).join(" ");
		const isUnknown = field.tagName === "SELECT" && ![...field.options].some((o) => o.value === value);
		if (isUnknown) field.add(new Option(words(value), value)); // such as status=418 in a shared link
		field.value = value;
	}
}

export const isSet = (filter) => filter.size > 0;

export const countFolded = (filter) => folded.filter((name) => filter.has(name)).length;

// matcher returns a function that matches entries of the stream as the API would. It
// returns null for a text, because only the server has the bodies.
export function matcher(filter) {
	if (filter.has("text")) return null;
	const types = filter.getAll("type").map((pattern) => new RegExp(`^${pattern.split("*").map(escape).join(".*")}$`, "s"));
	const outcomes = filter.getAll("outcome");
	const statuses = filter.getAll("status");
	const id = filter.get("id");
	return (entry) =>
		(outcomes.length === 0 || outcomes.includes(entry.outcome)) &&
		(!filter.has("failed") || (entry.state === "done" && (entry.status < 200 || entry.status > 299))) &&
		(types.length === 0 || (entry.type !== "" && types.some((type) => type.test(entry.type)))) &&
		(statuses.length === 0 || statuses.includes(String(entry.status)) || (entry.status > 99 && statuses.includes(String(entry.status)[0] + "xx"))) &&
		(id === null || entry.id.includes(id) || entry.message_id.includes(id)) &&
		["reason", "endpoint", "origin"].every((name) => !filter.has(name) || filter.getAll(name).includes(entry[name]));
}

export const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
