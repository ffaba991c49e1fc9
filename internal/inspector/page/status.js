// How much the inspector keeps and which endpoints it knows: in the bar, in a dialog
// and in place of an empty list.

import { get } from "./api.js";
import { $, copyable, h, patch, size, timestamp } from "./dom.js";

export class Status {
	endpoints = [];
	#now = null;
	#timer = 0;
	#on;

	// on is called after each update.
	constructor(on) {
		this.#on = on;
		$("#kept").addEventListener("click", async () => {
			await this.load();
			if (this.#now) $("#status").showModal();
		});
	}

	get isKnown() { return this.#now !== null; }

	get limits() { return { rejected: this.#now.rejected.max_entries, others: this.#now.verified.max_entries }; }

	// secretsOf returns the secrets of the endpoint at which an entry arrived, or none if
	// that is not known.
	secretsOf(entry) {
		const named = this.endpoints.filter((e) => e.name === entry.endpoint);
		const own = named.length === 1 ? named[0] : named.find((e) => e.url === entry.url);
		return own?.secrets ?? [];
	}

	// nameOf names the endpoint of an entry. If several have its name, their paths differ.
	nameOf(entry) {
		if (this.endpoints.filter((e) => e.name === entry.endpoint).length < 2) return entry.endpoint;
		return URL.canParse(entry.url) ? new URL(entry.url).pathname : entry.url;
	}

	loadSoon() { this.#timer ||= setTimeout(() => this.load(), 1000); }

	async load() {
		clearTimeout(this.#timer);
		this.#timer = 0;
		try {
			this.#now = await get("status");
		} catch {
			return; // the last status is good enough
		}
		this.endpoints = this.#now.endpoints;
		const { verified, rejected } = this.#now;
		$("#kept span").textContent = `${verified.entries + rejected.entries} recorded · ${size(verified.bytes + rejected.bytes)}`;
		this.#write();
		this.#on();
	}

	#write() {
		const { started, verified, rejected } = this.#now;
		const room = (r) => `${r.entries} kept, ${size(r.bytes)} of ${size(r.max_bytes)}` + (r.evicted ? `; ${r.evicted} removed to make room` : "");
		const line = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
		patch($("#status dl"), h("dl", {},
			line("Verified", room(verified)),
			line("Rejected", room(rejected)),
			line("Running since", timestamp(new Date(started))),
			...this.endpoints.map((e) => line("Endpoint", h("b", {}, e.name), e.url && [" at ", h("code", {}, e.url)],
				`, with ${e.secrets.length === 1 ? "the secret" : "the secrets"} ${e.secrets.map((s) => s.name + (s.signs ? "" : " (verifies only)")).join(", ")}`))));
	}

	emptyList({ isFiltered, hasType, reset, send }) {
		if (isFiltered) {
			return [h("h3", {}, "No delivery matches"), h("p", {}, hasType ? "Rejected deliveries have no type, because their bodies are not verified. To find one, use the text search." : "Wait for one, or change the filter."),
				h("button", { onclick: reset }, "Reset filter")];
		}
		if (this.endpoints.length === 0) {
			return [h("h3", {}, "No endpoint is recorded"),
				h("p", {}, "Add ", h("code", {}, "inspect"), " to a ", h("code", {}, "clerk_webhook"), " block of your Caddyfile and reload Caddy.")];
		}
		const url = this.endpoints.find((e) => e.url)?.url;
		return [h("h3", {}, "Waiting for deliveries"),
			h("p", {}, "They appear here when they arrive at"),
			h("ul", {}, this.endpoints.map((e) => h("li", {}, h("code", {}, e.url || e.name)))),
			h("button", { class: "primary", onclick: send }, "Send example"),
			url && h("p", {}, "Or run this in a terminal, with the endpoint's secret:"),
			url && copyable(`${this.#now.program} clerk-webhook send user.created --to ${quoted(url)} --secret whsec_…`, "Command")].filter(Boolean);
	}
}

// quoted writes a text as one word for a POSIX shell.
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
