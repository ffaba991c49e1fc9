// Works on the text of JSON, so that the page shows what was signed. JSON.parse would
// round long numbers, drop repeated members and reorder others.

const token = /([{}[\]:,])|("[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)/y;
const space = /[ \t\n\r]*/y;

const expected = {
	value: "a value is missing here",
	element: "a value or ] is missing here",
	member: "a key or } is missing here",
	key: "a key in double quotes is missing here",
	colon: "a : is missing here",
	arrayNext: "a , or ] is missing here",
	objectNext: "a , or } is missing here",
	end: "there is more text after the JSON value",
};

// scan reads a text as JSON. It returns the tokens and how deep they nest, or an error
// with its line and column. It does not recurse, because a sender chooses the depth.
export function scan(text) {
	const tokens = [];
	const open = [];
	let state = "value";
	let depth = 0;
	let at = 0;
	const closed = () => (open.length === 0 ? "end" : open.at(-1) === "{" ? "objectNext" : "arrayNext");
	for (;;) {
		space.lastIndex = at;
		space.test(text);
		at = space.lastIndex;
		if (at === text.length) break;
		token.lastIndex = at;
		const match = token.exec(text);
		if (!match) return { error: place(text, at, whyNoToken(text, at, state)) };
		const [all, punctuation, string, number] = match;
		let kind = punctuation ?? (string ? "string" : number ? "number" : "literal");
		if (!punctuation && ["value", "element"].includes(state)) state = closed();
		else if (kind === "string" && ["key", "member"].includes(state)) [kind, state] = ["key", "colon"];
		else if (kind === ":" && state === "colon") state = "value";
		else if ((kind === "{" || kind === "[") && ["value", "element"].includes(state)) {
			open.push(kind);
			depth = Math.max(depth, open.length);
			state = kind === "{" ? "member" : "element";
		} else if (kind === "," && state === "objectNext") state = "key";
		else if (kind === "," && state === "arrayNext") state = "value";
		else if (closes(kind, state)) {
			open.pop();
			state = closed();
		} else return { error: place(text, at, expected[state]) };
		tokens.push({ kind, text: all });
		at += all.length;
	}
	if (state !== "end") return { error: place(text, at, text.trim() === "" ? "the text is empty" : "the text ends too early: " + expected[state]) };
	return { tokens, depth };
}

const closes = (kind, state) =>
	(kind === "}" && ["member", "objectNext"].includes(state)) || (kind === "]" && ["element", "arrayNext"].includes(state));

function whyNoToken(text, at, state) {
	if (text[at] === '"') return "this string has no end, or it contains a line break or a wrong escape";
	if (text[at] === "'") return "strings need double quotes";
	return expected[state];
}

function place(text, index, message) {
	const before = text.slice(0, index);
	const start = before.lastIndexOf("\n") + 1;
	return { index, message, line: before.split("\n").length, column: [...before.slice(start)].length + 1 };
}

// indexOf returns the index of a line and a column, which count characters.
export function indexOf(text, line, column) {
	let start = 0;
	for (let n = 1; n < line; n++) {
		const end = text.indexOf("\n", start);
		if (end < 0) return text.length;
		start = end + 1;
	}
	const end = text.indexOf("\n", start);
	const chars = [...text.slice(start, end < 0 ? undefined : end)];
	return start + chars.slice(0, column - 1).join("").length;
}

export const compact = (tokens) => tokens.map((t) => t.text).join("");

// canIndent reports whether text with these tokens and this depth is shown indented.
// Indentation can be much larger than the text.
export const canIndent = ({ tokens, depth }) => Boolean(tokens) && depth * tokens.length < 1e6;

const opening = ["{", "["];
const closing = ["}", "]"];

export function pretty(tokens) {
	const out = [];
	let level = 0;
	const line = () => out.push({ kind: "space", text: "\n" + "  ".repeat(level) });
	tokens.forEach((t, i) => {
		if (closing.includes(t.kind) && !opening.includes(tokens[i - 1].kind)) {
			level--;
			line();
		}
		out.push(t.kind === ":" ? { kind: ":", text: ": " } : t);
		if (opening.includes(t.kind) && !closing.includes(tokens[i + 1].kind)) {
			level++;
			line();
		}
		if (t.kind === ",") line();
	});
	return out;
}
