// The list of deliveries. It has elements for the rows in view only, so that a long
// list stays fast.

import { $, clock, h, outcomeIcon, outcomeText, capital, span, statusKind, statusText, timestamp, words } from "./dom.js";
import { mark } from "./mark.js";
import { visible } from "./visible.js";

const beyond = 8;   // extra rows above and below the visible ones
const flash = 1600; // how long a new row stands out, in milliseconds, as in style.css

export class List {
	entries = []; // the newest first
	active = "";  // the id of the row that the keyboard is on
	search = "";  // is marked in the rows
	nameOf = (entry) => entry.endpoint; // what the column of the endpoint shows
	#root = $("#list");
	#rows = $("#rows");
	#heads = $("#heads");
	#pool = [];
	#height = 0;
	#drawn = false;
	#fresh = new Map(); // when new entries came
	#newer = new Set(); // the new entries above the ones in view
	#pressed;           // the row may show another entry when the mouse is released
	#on;

	constructor(on) {
		this.#on = on;
		this.#root.addEventListener("scroll", () => { this.#countNewer(); this.draw(); }, { passive: true });
		this.#root.addEventListener("keydown", (event) => this.#key(event));
		this.#rows.addEventListener("pointerdown", ({ target, clientY }) => { this.#pressed = { id: idOf(target), y: clientY }; });
		this.#rows.addEventListener("click", (event) => this.#click(event));
		new ResizeObserver(() => this.draw()).observe(this.#root);
		$("#newer").addEventListener("click", () => {
			this.#root.scrollTop = 0;
			this.focus();
		});
	}

	// set shows other entries. It keeps the visible rows in their place, except at the
	// top of the list.
	set(entries, fresh = []) {
		this.#measure();
		const top = Math.floor(this.#root.scrollTop / this.#height);
		const anchor = this.#root.scrollTop > 0 ? this.entries[top]?.id : undefined;
		const shift = entries.findIndex((e) => e.id === this.entries[0]?.id);
		if (shift > 0) this.#pool.unshift(...this.#pool.splice(-(shift % this.#pool.length))); // so that an entry keeps its row
		this.entries = entries;
		const time = Date.now();
		for (const [id, came] of this.#fresh) if (time - came > flash) this.#fresh.delete(id);
		for (const id of fresh) {
			this.#fresh.set(id, time);
			if (anchor !== undefined) this.#newer.add(id);
		}
		this.#resize();
		const now = anchor === undefined ? -1 : entries.findIndex((e) => e.id === anchor);
		if (now >= 0 && now !== top) this.#root.scrollTop += (now - top) * this.#height;
		this.#countNewer();
		this.draw();
	}

	#countNewer() {
		if (this.#root.scrollTop === 0 || this.entries.length === 0) this.#newer.clear();
		$("#newer").hidden = this.#newer.size === 0;
		$("#newer").textContent = this.#newer.size + " new";
	}

	select(id, { show = true } = {}) {
		this.active = id;
		const index = this.#index();
		if (show && index >= 0) this.#show(index);
		this.draw();
	}

	focus() { this.#root.focus({ preventScroll: true }); }

	draw() {
		if (this.#drawn) return;
		this.#drawn = true;
		requestAnimationFrame(() => {
			this.#drawn = false;
			this.#draw();
		});
	}

	#measure() {
		const height = parseFloat(getComputedStyle(this.#root).getPropertyValue("--row"));
		const changed = height !== this.#height;
		this.#height = height;
		return changed;
	}

	#resize() { this.#rows.style.height = this.entries.length * this.#height + "px"; }

	#index() { return this.entries.findIndex((e) => e.id === this.active); }

	#show(index) {
		this.#measure();
		const top = index * this.#height;
		const view = this.#root;
		if (top < view.scrollTop) view.scrollTop = top;
		else if (top + this.#height > view.scrollTop + view.clientHeight) view.scrollTop = top + this.#height - view.clientHeight;
	}

	#draw() {
		if (this.#measure()) this.#resize();
		const view = this.#root;
		if (view.clientHeight === 0) return;
		this.#heads.style.marginInlineEnd = view.offsetWidth - view.clientWidth + "px"; // the width of the scroll bar
		const needed = Math.ceil(view.clientHeight / this.#height) + 2 * beyond;
		while (this.#pool.length < needed) this.#pool.push(this.#row());
		const first = Math.max(0, Math.floor(view.scrollTop / this.#height) - beyond);
		const now = Date.now();
		for (let i = first; i < first + this.#pool.length; i++) {
			this.#fill(this.#pool[i % this.#pool.length], i, now);
		}
		mark("found", this.search ? this.#pool.filter((row) => row.entry).flatMap((row) => Object.values(row.part)) : [], this.search);
		const active = this.#pool.find((row) => row.entry && row.entry.id === this.active);
		if (active) view.setAttribute("aria-activedescendant", active.element.id);
		else view.removeAttribute("aria-activedescendant");
		if (first + this.#pool.length > this.entries.length - 100) this.#on.end();
	}

	#row() {
		const part = {};
		const cell = (name, tag = "span") => (part[name] = h(tag, { class: "c-" + name }));
		const element = h("div", { class: "row", role: "option", id: "row-" + this.#pool.length },
			cell("outcome"), cell("event"), cell("subject"), cell("endpoint"), cell("id"), cell("status"), cell("took"), cell("time", "time"));
		this.#rows.append(element);
		return { element, part, entry: null, index: -1 };
	}

	#fill(row, index, now) {
		const entry = this.entries[index];
		row.element.hidden = !entry;
		if (!entry) {
			row.entry = null;
			return;
		}
		const isActive = entry.id === this.active;
		if (row.index !== index || row.height !== this.#height) {
			row.element.style.transform = `translateY(${index * this.#height}px)`;
			row.element.setAttribute("aria-posinset", index + 1);
			row.index = index;
			row.height = this.#height;
		}
		row.element.setAttribute("aria-setsize", this.entries.length);
		row.element.setAttribute("aria-selected", isActive);
		const name = this.nameOf(entry);
		if (row.entry === entry && row.name === name) return;
		Object.assign(row, { entry, name });
		this.#write(row.part, entry, name);
		row.element.dataset.id = entry.id;
		const age = now - (this.#fresh.get(entry.id) ?? 0);
		row.element.classList.toggle("fresh", age < flash);
		row.element.style.animationDelay = -age + "ms"; // the row may have begun in another element
	}

	#write(part, entry, name) {
		part.outcome.replaceChildren(outcomeIcon(entry), h("span", {}, outcomeText(entry)));
		part.event.replaceChildren(...eventOf(entry));
		part.event.title = part.event.textContent;
		part.subject.replaceChildren(...subjectOf(entry));
		part.subject.title = part.subject.textContent;
		part.endpoint.textContent = part.endpoint.title = visible(name);
		part.id.textContent = part.id.title = visible(entry.message_id);
		part.status.textContent = statusText(entry);
		part.status.className = "c-status " + statusKind(entry);
		part.took.textContent = entry.state === "pending" ? "" : span(entry.duration_ms);
		part.time.textContent = clock(new Date(entry.at));
		part.time.dateTime = entry.time;
		part.time.title = timestamp(new Date(entry.at));
	}

	#click({ detail, target, clientY }) {
		const { id, y } = (detail && this.#pressed) || { id: idOf(target), y: clientY }; // not all clicks are of a pointer
		if (id && Math.abs(clientY - y) < this.#height) this.#on.open(id);
	}

	#key(event) {
		if (event.altKey || event.ctrlKey || event.metaKey || this.entries.length === 0) return;
		const last = this.entries.length - 1;
		const page = Math.max(1, Math.floor(this.#root.clientHeight / this.#height) - 1);
		const at = this.#index();
		const target = {
			ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, PageDown: Math.max(at, 0) + page, PageUp: at - page, Home: 0, End: last,
		}[event.key];
		if (target !== undefined) {
			event.preventDefault();
			const id = this.entries[Math.min(Math.max(target, 0), last)].id;
			this.select(id);
			this.#on.move(id);
		} else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
			event.preventDefault();
			this.#on.open(this.active, { focus: true });
		}
	}
}

const idOf = (target) => target.closest(".row")?.dataset.id;

export function subjectOf({ verified, subject }) {
	const { type, text, object_id: id } = subject;
	const parts = [];
	if (!verified && (type || text)) parts.push(h("span", { class: "tag" }, "unverified"), h("span", { class: "claimed" }, visible(type)));
	if (text) parts.push(h("span", { class: "who" }, visible(text)));
	if (id && id !== text) parts.push(h("span", { class: "dim" }, visible(id)));
	return parts;
}

export function eventOf(entry) {
	const parts = [];
	if (entry.type) parts.push(h("span", { class: "type" }, visible(entry.type)));
	else parts.push(h("span", { class: "untyped" }, entry.reason ? capital(words(entry.reason)) : "no type"));
	if (entry.outcome === "duplicate" && entry.reason === "in_progress") parts.push(h("span", { class: "tag" }, words(entry.reason)));
	if (entry.outcome === "rejected" && entry.passed) parts.push(h("span", { class: "tag" }, "let through"));
	if (entry.origin !== "received") parts.push(h("span", { class: "tag" }, entry.origin));
	return parts;
}
