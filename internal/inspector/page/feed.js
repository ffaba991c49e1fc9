// The deliveries that match the filter: read once, and then followed live.

import { get, Stream } from "./api.js";
import * as filters from "./filter.js";

const pageSize = 1000;
const most = 15000; // entries kept here; the inspector keeps fewer

const withTime = (entry) => Object.assign(entry, { at: Date.parse(entry.time), seq: Number(entry.id.split("-").pop()) });

export class Feed {
	paused = false;
	#filter = new URLSearchParams();
	#entries = new Map();
	#next = "";            // where the list goes on
	#loading = null;       // the list being read
	#waiting = new Map();  // what has changed and is not shown yet
	#takeTimer = 0;
	#unknown = new Map();  // what only the server can say of whether it matches
	#unknownTimer = 0;
	#stream;
	#on;

	constructor(on) {
		this.#on = on;
		this.#stream = new Stream({ state: on.state, entry: (e) => this.#changed(e), clear: () => this.#clear(), reset: () => this.load() });
	}

	get size() { return this.#entries.size; }

	get waiting() { return this.#waiting.size; }

	// load reads the list from its beginning and follows what happens after it.
	async load(filter = this.#filter) {
		this.#filter = filter;
		this.#loading?.abort();
		const { signal } = (this.#loading = new AbortController());
		this.#stream.stop();
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
			if (error.code === "bad_request") {
				this.#on.problem(error.message);
				return;
			}
			this.#on.state("lost");
			setTimeout(() => { if (!this.#loading) this.load(); }, 3000);
		}
	}

	async more() {
		if (!this.#next || this.#loading) return;
		const { signal } = (this.#loading = new AbortController());
		try {
			const page = await this.#read("&before=" + encodeURIComponent(this.#next), signal);
			for (const e of page.entries) if (!this.#entries.has(e.id)) this.#entries.set(e.id, withTime(e));
			this.#next = page.next;
			this.#show();
		} catch {
			// It is tried again when the end comes into view the next time.
		} finally {
			if (this.#loading?.signal === signal) this.#loading = null;
		}
	}

	pause(paused) {
		this.paused = paused;
		if (!paused) this.#take();
	}

	#read(more, signal) { return get(`entries?limit=${pageSize}&${this.#filter}${more}`, signal); }

	// #changed collects changes, so that those of one moment are shown together.
	#changed(entry) {
		this.#waiting.set(entry.id, entry);
		if (this.#waiting.size > most) this.#waiting.delete(this.#waiting.keys().next().value);
		if (this.paused) this.#on.held();
		else this.#takeTimer ||= setTimeout(() => this.#take(), 30);
	}

	#take() {
		clearTimeout(this.#takeTimer);
		this.#takeTimer = 0;
		if (this.paused || this.#waiting.size === 0) return;
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

	// #lookUp asks the server what of a batch matches: it alone has the bodies.
	#lookUp(batch) {
		for (const e of batch) this.#unknown.set(e.id, e);
		this.#unknownTimer ||= setTimeout(async () => {
			this.#unknownTimer = 0;
			const asked = [...this.#unknown.values()];
			const filter = this.#filter;
			this.#unknown.clear();
			const since = new Date(Math.min(...asked.map((e) => Date.parse(e.time))));
			try {
				const page = await this.#read("&from=" + since.toISOString());
				if (filter === this.#filter) this.#merge(asked, page.entries);
			} catch {
				// The connection is lost: when it is back, the stream says so.
			}
		}, 200);
	}

	#show(fresh) {
		const sorted = [...this.#entries.values()].sort((a, b) => b.seq - a.seq);
		for (const e of sorted.splice(most)) this.#entries.delete(e.id);
		this.#on.show(sorted, fresh);
	}

	#clear() {
		this.#waiting.clear();
		this.#unknown.clear();
		this.#entries.clear();
		this.#next = "";
		this.#show();
		this.#on.cleared();
	}
}
