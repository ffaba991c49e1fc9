// The deliveries that match the filter. The list is read once, then updated live.

import { get, Stream } from "./api.js";
import * as filters from "./filter.js";

const pageSize = 1000;

// seqOf orders entries as they came, also those of the same millisecond.
export const seqOf = (entry) => Number(entry.id.split("-").pop());
const withTime = (entry) => Object.assign(entry, { at: Date.parse(entry.time) });

export class Feed {
	// How many entries the page keeps. The status sets the inspector's own limits.
	// Rejected ones have their own limit, so that a stranger cannot push out genuine ones.
	limits = { rejected: Infinity, others: Infinity };
	paused = false;
	#filter = new URLSearchParams();
	#entries = new Map();
	#next = "";            // the parameter for the next page of the list
	#loading = null;       // aborts the request for the list
	#waiting = new Map();  // changes that are not shown yet
	#takeTimer = 0;
	#unknown = new Map();  // changes for which only the server knows if they match
	#unknownTimer = 0;
	#stream;
	#on;

	constructor(on) {
		this.#on = on;
		this.#stream = new Stream({
			state: on.state, refused: (error) => this.#failed(error), entry: (e) => this.#changed(e), clear: () => this.#clear(), reset: () => this.load(),
		});
	}

	get size() { return this.#entries.size; }

	get hasMore() { return this.#next !== ""; }

	// waiting is how many changes that match the filter are not shown yet. It is 0 if
	// only the server knows.
	get waiting() {
		const matches = filters.matcher(this.#filter);
		return matches ? [...this.#waiting.values()].filter(matches).length : 0;
	}

	// load reads the newest page of the list and then receives changes.
	async load(filter = this.#filter) {
		this.#filter = filter;
		this.#loading?.abort();
		const { signal } = (this.#loading = new AbortController());
		this.#stream.forget();
		this.#unknown.clear();
		try {
			const page = await this.#read("", signal);
			this.#loading = null;
			this.#waiting.clear();
			this.#entries = new Map(page.entries.map((e) => [e.id, withTime(e)]));
			this.#next = page.next;
			this.#show();
			this.#stream.start(page.cursor);
			this.#on.loaded();
		} catch (error) {
			if (signal.aborted) return;
			this.#loading = null;
			this.#failed(error);
			if (error.code !== "bad_request") setTimeout(() => { if (!this.#loading) this.load(); }, 3000);
		}
	}

	// #failed reports why there are no updates. Without an answer from the inspector
	// there is no message to show.
	#failed(error) {
		this.#on.problem(error.code ? error.message : "");
		this.#on.state(!error.code ? "lost" : error.code === "bad_request" ? "stopped" : "failed");
	}

	async more() {
		if (!this.#next || this.#loading) return;
		const { signal } = (this.#loading = new AbortController());
		const shown = this.#entries;
		try {
			const page = await this.#read("&before=" + encodeURIComponent(this.#next), signal);
			if (shown !== this.#entries) return; // the list was replaced or cleared meanwhile
			for (const e of page.entries) if (!this.#entries.has(e.id)) this.#entries.set(e.id, withTime(e));
			this.#next = page.next;
			this.#show();
		} catch {
			// The next scroll to the end tries again.
		} finally {
			if (this.#loading?.signal === signal) this.#loading = null;
		}
	}

	pause(paused) {
		this.paused = paused;
		if (!paused) this.#take();
	}

	#read(more, signal) { return get(`entries?limit=${pageSize}&${this.#filter}${more}`, signal); }

	// #changed collects changes for a moment, to show them together, or to count them
	// together while paused.
	#changed(entry) {
		this.#waiting.set(entry.id, entry);
		if (this.#waiting.size > 2 * (this.limits.rejected + this.limits.others)) this.#newest(this.#waiting);
		this.#takeTimer ||= setTimeout(() => this.#take(), 30);
	}

	#take() {
		clearTimeout(this.#takeTimer);
		this.#takeTimer = 0;
		if (this.paused) {
			this.#on.held();
			return;
		}
		if (this.#waiting.size === 0) return;
		const batch = [...this.#waiting.values()];
		this.#waiting.clear();
		const matches = filters.matcher(this.#filter);
		if (matches) this.#merge(batch, batch.filter(matches));
		else this.#lookUp(batch);
		this.#on.changed(batch);
	}

	#merge(batch, matching) {
		const fresh = matching.filter((e) => !this.#entries.has(e.id)).map((e) => e.id);
		const stays = new Set(matching.map((e) => e.id));
		for (const e of batch) if (!stays.has(e.id)) this.#entries.delete(e.id);
		for (const e of matching) {
			const known = this.#entries.get(e.id);
			if (!known || known.version <= e.version) this.#entries.set(e.id, withTime(e));
		}
		this.#show(fresh);
	}

	// #lookUp asks the server which of a batch match, because only it has the bodies.
	#lookUp(batch, delay = 200) {
		for (const e of batch) this.#unknown.set(e.id, e);
		this.#unknownTimer ||= setTimeout(async () => {
			this.#unknownTimer = 0;
			const asked = this.#newest(this.#unknown);
			const shown = this.#entries;
			this.#unknown.clear();
			if (asked.length === 0) return;
			const since = new Date(asked.reduce((first, e) => Math.min(first, Date.parse(e.time)), Infinity));
			try {
				const page = await this.#read("&from=" + since.toISOString());
				if (shown === this.#entries) this.#found(asked, page);
			} catch {
				if (shown === this.#entries) this.#lookUp(asked.filter((e) => !this.#unknown.has(e.id)), 3000);
			}
		}, delay);
	}

	// #found shows the result of a look-up, or holds it while paused. It ignores
	// entries that are older than the answer's page, since the answer does not cover them.
	#found(asked, page) {
		if (this.paused) {
			for (const e of asked) if (!this.#waiting.has(e.id)) this.#waiting.set(e.id, e);
			this.#on.held();
			return;
		}
		const oldest = page.next ? seqOf(page.entries.at(-1)) : 0;
		this.#merge(asked.filter((e) => seqOf(e) >= oldest), page.entries);
	}

	#show(fresh) { this.#on.show(this.#newest(this.#entries), fresh); }

	// #newest removes what is beyond the limits from a map, and returns the rest, newest first.
	#newest(entries) {
		const room = { ...this.limits };
		const all = [...entries.values()];
		for (const e of all) e.seq ??= seqOf(e); // reading it in each comparison would take too long
		return all.sort((a, b) => b.seq - a.seq).filter((e) => room[e.outcome === "rejected" ? "rejected" : "others"]-- > 0 || !entries.delete(e.id));
	}

	#clear() {
		this.#waiting.clear();
		this.#unknown.clear();
		this.#entries = new Map();
		this.#next = "";
		this.#show();
		this.#on.cleared();
	}
}
