// Marks a text where the page shows it, without changing elements.

import { escape } from "./filter.js";

const most = 500;

// mark marks a text in some elements, under a name that style.css has a colour for. It
// returns the ranges. A match can span the children of an element.
export function mark(name, elements, text) {
	const ranges = [];
	if (text) {
		const pattern = new RegExp(escape(text), "giu");
		for (const element of elements) {
			if (ranges.length < most) ranges.push(...rangesIn(element, pattern));
		}
	}
	if (globalThis.Highlight) CSS.highlights.set(name, new Highlight(...ranges)); // older browsers only find it
	return ranges;
}

function rangesIn(element, pattern) {
	const nodes = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
	const parts = [];
	let all = "";
	while (nodes.nextNode()) {
		parts.push({ start: all.length, node: nodes.currentNode });
		all += nodes.currentNode.data;
	}
	const point = (at) => {
		const { start, node } = parts.findLast((part) => part.start <= at);
		return [node, at - start];
	};
	return Array.from(all.matchAll(pattern), ({ 0: found, index }) => {
		const range = new Range();
		range.setStart(...point(index));
		const [node, last] = point(index + found.length - 1);
		range.setEnd(node, last + 1);
		return range;
	});
}
