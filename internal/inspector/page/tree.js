// JSON in lines that fold. One line is the current one, for the keyboard and its path.

import { h } from "./dom.js";
import { pretty } from "./json.js";
import { visible } from "./visible.js";

const classes = { key: "j-key", string: "j-string", number: "j-number", literal: "j-literal" };
let trees = 0;

// tree shows tokens. It calls on.move with the path of a line that becomes the current
// one, and on.enter when Enter is pressed on it.
export function tree(tokens, on) {
	const lines = linesOf(tokens);
	const prefix = `line-${++trees}-`;
	let at = -1;
	const view = h("pre", { role: "tree", tabindex: "0", "aria-label": "Body" }, lines.map((line, i) => {
		const opens = line.end > i;
		line.element = h("span", { class: "line", id: prefix + i, role: line.path ? "treeitem" : "none", "aria-level": line.path && line.level, "aria-expanded": opens && "true", "data-end": opens && lines[line.end].text.trim() },
			opens && h("i", { class: "fold", "aria-hidden": "true" }), line.parts);
		return line.element;
	}));
	const fold = (line, folded) => {
		if (!line.element.ariaExpanded) return;
		line.element.ariaExpanded = String(!folded);
		let hiddenTo = -1;
		lines.forEach((l, i) => {
			l.element.hidden = i <= hiddenTo;
			if (i > hiddenTo && l.element.ariaExpanded === "false") hiddenTo = l.end;
		});
	};
	const move = (to) => {
		lines[at]?.element.classList.remove("at");
		at = to;
		lines[at].element.classList.add("at");
		view.setAttribute("aria-activedescendant", prefix + at);
		lines[at].element.scrollIntoView({ block: "nearest" });
		on.move(textOf(lines[at].path));
	};
	const indexOf = (element) => lines.findIndex((line) => line.element === element?.closest(".line"));
	view.addEventListener("click", (event) => {
		const i = indexOf(event.target);
		if (!lines[i]?.path) return;
		move(i);
		if (event.target.matches(".fold")) fold(lines[i], lines[i].element.ariaExpanded === "true");
	});
	view.addEventListener("keydown", (event) => {
		const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
		if (event.altKey || event.ctrlKey || event.metaKey) return;
		if (step) {
			let to = at + step;
			while (lines[to] && (lines[to].element.hidden || !lines[to].path)) to += step;
			if (lines[to]) move(to);
		} else if (at >= 0 && ["ArrowLeft", "ArrowRight"].includes(event.key)) fold(lines[at], event.key === "ArrowLeft");
		else if (at >= 0 && event.key === "Enter") on.enter();
		else return;
		event.preventDefault();
	});
	return {
		view,
		elements: lines.map((line) => line.element),
		// show moves to the line of an element and unfolds what hides it.
		show(element) {
			const to = indexOf(element);
			lines.forEach((line, i) => { if (i < to && line.end >= to) fold(line, false); });
			move(to);
		},
	};
}

// A path is written only where it is shown, as its names can be long.
const textOf = ({ key, up }) => (up?.up ? textOf(up) + "." : "") + (key ?? "");

// linesOf splits indented tokens into lines. One that opens an object or a list knows the
// line that ends it. Lines that only end one have no path.
function linesOf(tokens) {
	const lines = [];
	const open = []; // { line, isList, key }, where key is a name or an index
	let line;
	const begin = () => lines.push(line = { parts: [], text: "", level: open.length + 1 });
	begin();
	for (const { kind, text } of pretty(tokens)) {
		const parent = open.at(-1);
		if (text[0] === "\n") begin();
		if (kind === "key") parent.key = JSON.parse(text).replace(/[^\w:\u0000- \u007f-\uffff-]/g, "\\$&"); // as gjson reads paths
		if (kind === "}" || kind === "]") {
			open.pop();
			parent.line.end = lines.length - 1;
		} else if (![",", ":", "space"].includes(kind)) line.path ??= { key: parent?.key, up: parent?.line.path };
		if (kind === "{" || kind === "[") open.push({ line, isList: kind === "[", key: kind === "[" ? 0 : "" });
		if (kind === "," && parent.isList) parent.key++;
		line.text += text;
		line.parts.push(classes[kind] ? h("span", { class: classes[kind] }, visible(text)) : text.replace("\n", ""));
	}
	return lines;
}
