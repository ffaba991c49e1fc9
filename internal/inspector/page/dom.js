// Builds the page. Text from senders must only become text: never markup, and never
// the name of an element or an attribute.

import { visible } from "./visible.js";

export const $ = (selector, root = document) => root.querySelector(selector);

// h makes an element. Properties that begin with "on" are event listeners. patch uses the
// property key.
export function h(tag, properties, ...children) {
	const element = document.createElement(tag);
	if (tag === "button") element.type = tag; // not one that submits a form
	for (const [name, value] of Object.entries(properties ?? {})) {
		if (value === false || value === undefined || value === null) continue;
		if (name === "key") element.key = value;
		else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.flat(Infinity).filter((child) => child || child === 0).flatMap(inPieces));
	return element;
}

// inPieces cuts a long text that is not all Latin. Browsers take a minute to lay
// out some scripts.
function inPieces(child) {
	if (typeof child !== "string" || child.length < 5000 || !/[^\0-\u02ff]/.test(child)) return child;
	return child.match(/[^]{0,1000}\n|[^]{1,1000}/gu).map((text) => h("span", { class: "piece" }, text));
}

// patch gives an element the content of another. It keeps what is equal, because a new
// element loses a click, a selection and the focus. Elements with the same id do the same.
// What is in an element with the same key stays as you have left it.
export function patch(old, fresh) {
	for (const child of [...old.children]) if (child.id && !$("#" + child.id, fresh)) child.remove();
	const wanted = [...fresh.childNodes];
	wanted.forEach((child, i) => {
		const was = old.childNodes[i];
		if (!was) old.append(child);
		else if (was.isEqualNode(child) || (child.key && was.key === child.key)) return;
		else if (child.key || !isLike(was, child)) was.replaceWith(child);
		else {
			for (const name of was.getAttributeNames()) if (!child.hasAttribute(name)) was.removeAttribute(name);
			for (const name of child.getAttributeNames()) was.setAttribute(name, child.getAttribute(name));
			patch(was, child);
		}
	});
	while (old.childNodes[wanted.length]) old.lastChild.remove();
}

const isLike = (a, b) => (b.id ? a.id === b.id : b.tagName !== "BUTTON" && a.cloneNode().isEqualNode(b.cloneNode()));

export function icon(name, css = "") {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
	use.setAttribute("href", "#i-" + name);
	svg.setAttribute("class", css);
	svg.setAttribute("aria-hidden", "true");
	svg.append(use);
	return svg;
}

// outcomeKind is the class of an outcome for its icon and colour. A forwarded
// delivery is a success only if the backend answered 2xx.
export function outcomeKind(entry) {
	if (entry.outcome !== "forwarded" || statusKind(entry) === "s2") return entry.outcome;
	return entry.state === "pending" ? "pending" : "untaken";
}

// outcomeText names what became of a delivery. "Forwarded" would look like a success.
export function outcomeText(entry) {
	if (outcomeKind(entry) !== "untaken") return capital(entry.outcome);
	if (entry.status >= 400) return "App error";
	return entry.status >= 300 ? "Redirected" : "No answer";
}

export const outcomeIcon = (entry) => icon(outcomeKind(entry), "o " + outcomeKind(entry));

export const words = (code) => ({ done: "already handled", in_progress: "still being handled" })[code] ?? code.replaceAll("_", " ");

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const statusKind = (entry) => (entry.status ? "s" + String(entry.status)[0] : "s0");

export function statusText(entry) {
	if (entry.status) return String(entry.status);
	return entry.state === "pending" ? "…" : "none";
}

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, useGrouping: false });

export function size(bytes) {
	if (bytes < 1000) return bytes + " B";
	if (bytes < 1e6) return plain.format(bytes / 1e3) + " kB";
	return plain.format(bytes / 1e6) + " MB";
}

export function span(ms) {
	const seconds = Math.abs(ms) / 1000;
	if (seconds < 1e-3) return Math.round(seconds * 1e6) + " µs";
	if (seconds < 1) return plain.format(Math.abs(ms)) + " ms";
	if (seconds < 60) return plain.format(seconds) + " s";
	if (seconds < 3600) return Math.floor(seconds / 60) + " min " + Math.floor(seconds % 60) + " s";
	if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
	return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
}

const two = (n) => String(n).padStart(2, "0");

export const clock = (date) => [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");

export function timestamp(date) {
	const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
	return `${day} ${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

// toast shows a message for some seconds, and for longer if something failed.
export function toast(text, { failed = false, action, act } = {}) {
	const line = h("div", { class: failed ? "toast failed" : "toast" }, h("span", {}, visible(text)));
	if (action) line.append(h("button", { class: "quiet", onclick: () => { line.remove(); act(); } }, action));
	line.append(h("button", { class: "icon", "aria-label": "Dismiss", onclick: () => line.remove() }, icon("close")));
	const all = $("#toasts");
	const isUsed = () => all.matches(":hover, :focus-within"); // then none may move
	all.prepend(line);
	while (all.children.length > 3 && !isUsed()) all.lastChild.remove();
	const leave = () => (isUsed() ? setTimeout(leave, 2000) : line.remove());
	setTimeout(leave, failed ? 15000 : 7000);
}

export const copyable = (text, what) =>
	h("button", { class: "link copyable", title: "Copy", onclick: () => copy(text, what) }, visible(text), icon("copy"));

// copy copies text to the clipboard. Browsers have navigator.clipboard only on
// localhost and HTTPS, so elsewhere it copies a selection.
export async function copy(text, what) {
	try {
		if (navigator.clipboard) await navigator.clipboard.writeText(text);
		else copyBySelection(text);
		toast(what + " copied");
	} catch (error) {
		toast(`${what} could not be copied: ${error.message}`, { failed: true });
	}
}

function copyBySelection(text) {
	const area = h("textarea", { class: "unseen" });
	area.value = text;
	const focused = document.activeElement;
	document.body.append(area);
	area.select();
	const done = document.execCommand("copy");
	area.remove();
	focused?.focus();
	if (!done) throw new Error("the browser did not allow it");
}

for (const symbol of document.querySelectorAll("symbol")) symbol.setAttribute("viewBox", "0 0 16 16");
for (const place of document.querySelectorAll("[data-icon]")) place.replaceWith(icon(place.dataset.icon, place.className));
