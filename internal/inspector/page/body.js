// Bodies of requests and answers: as a tree, raw, or as bytes.

import { copy, copyable, h, icon, size } from "./dom.js";
import { canIndent, compact, indexOf, pretty, scan } from "./json.js";
import { mark } from "./mark.js";
import { tree } from "./tree.js";
import { visible } from "./visible.js";

const mostColoured = 20000; // tokens: more would make the page slow
const mostDumped = 4096;   // bytes

let mode = "pretty"; // the last choice

// bodyView shows a body from the API. what is "request" or "answer". unread is the
// text for a body that was not read. search is what to find at first.
export function bodyView(body, { what, unread, search = "" }) {
	if (body.state === "unread") return h("p", { class: "note" }, unread);
	if (body.state === "none") return h("p", { class: "note" }, `The ${what} has no body.`);
	const binary = body.text === "" && body.base64 ? Uint8Array.from(atob(body.base64), (c) => c.charCodeAt(0)) : null;
	const parsed = !binary && body.state === "whole" && body.json.valid ? scan(body.text) : {};
	const note = syntaxNote(body, binary, what);
	const content = h("div", {});
	const path = h("span", { class: "path" });
	const move = (to) => path.replaceChildren(to ? copyable(to, "Path") : "");
	let shown; // the tree, if it is one
	const show = () => {
		for (const button of choice.children) button.setAttribute("aria-pressed", button.dataset.mode === mode);
		const isPretty = mode === "pretty" && canIndent(parsed);
		move("");
		shown = isPretty && parsed.tokens.length <= mostColoured ? tree(parsed.tokens, { move, enter: () => copy(path.textContent, "Path") }) : null;
		if (binary) content.replaceChildren(pre(dump(binary)));
		else if (isPretty) content.replaceChildren(shown?.view ?? pre(compact(pretty(parsed.tokens))));
		else content.replaceChildren(mode === "pretty" && note ? marked(body) : pre(body.text));
		requestAnimationFrame(find);
	};
	let found = [];
	let next = 0;
	const find = () => {
		if (!content.isConnected) return; // patch kept the one before
		[found, next] = [mark("inside", shown?.elements ?? [content], field.value), 0];
		count.textContent = field.value && `${found.length}${found.length < 500 ? "" : "+"} found`;
	};
	const go = () => {
		if (found.length === 0) return;
		const { parentElement } = found[next++ % found.length].startContainer;
		if (shown) shown.show(parentElement);
		else parentElement.scrollIntoView({ block: "nearest" });
	};
	const count = h("output", { class: "dim" });
	const field = h("input", { type: "search", placeholder: "Find", "aria-label": `Find in the ${what}; Enter moves to the next`, oninput: () => { find(); go(); }, onkeydown: (event) => { if (event.key === "Enter") go(); } });
	field.hidden = what === "answer" && body.size < 500;
	field.value = search;
	const choice = h("div", { class: "choice", role: "group", "aria-label": "Form of the body" },
		["pretty", "raw"].map((name) => h("button", { "data-mode": name, onclick: () => { mode = name; show(); } }, name === "pretty" ? "Pretty" : "Raw")));
	const facts = [size(body.size)];
	if (body.state === "cut") facts.push("only the beginning was kept");
	if (binary) facts.push("not text, so shown as bytes");
	const bar = h("div", { class: "body-bar" }, binary ? "" : choice, h("span", { class: "dim" }, facts.join(" · ")),
		binary ? "" : [field, count], path,
		binary ? "" : h("button", { class: "quiet end", onclick: () => copy(body.text, "Body") }, icon("copy"), "Copy"));
	show();
	return h("div", { class: "body", key: JSON.stringify([body, search]) }, bar, note, content);
}

// syntaxNote says where the syntax error is in a body that looks like JSON.
function syntaxNote(body, binary, what) {
	if (binary || body.state !== "whole" || body.json.valid || (what !== "request" && !/^\s*[{[]/.test(body.text))) return "";
	const at = indexOf(body.text, body.json.line, body.json.column);
	const around = (from, to) => visible(body.text.slice(Math.max(0, from), to).replace(/\s+/g, " "));
	return h("p", { class: "syntax" }, `Not JSON: line ${body.json.line}, column ${body.json.column}: ${body.json.message}. `,
		body.text.length > 500 && h("code", {}, "…", around(at - 30, at), h("mark", {}, around(at, at + 1) || "end"), around(at + 1, at + 30), "…"));
}

function pre(...children) {
	return h("pre", { tabindex: "0", "aria-label": "Body" }, children.flat().map((part) => (typeof part === "string" ? visible(part) : part)));
}

function marked(body) {
	const at = indexOf(body.text, body.json.line, body.json.column);
	if (at >= body.text.length) return pre(body.text, h("mark", { class: "ends" }, "end"));
	const wrong = String.fromCodePoint(body.text.codePointAt(at));
	return pre(body.text.slice(0, at), h("mark", {}, visible(wrong)), body.text.slice(at + wrong.length));
}

function dump(bytes) {
	const lines = [];
	for (let at = 0; at < Math.min(bytes.length, mostDumped); at += 16) {
		const row = [...bytes.slice(at, at + 16)];
		const hex = row.map((b) => b.toString(16).padStart(2, "0")).join(" ");
		const text = row.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : ".")).join("");
		lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${text}`);
	}
	if (bytes.length > mostDumped) lines.push(`… and ${bytes.length - mostDumped} bytes more`);
	return lines.join("\n");
}
