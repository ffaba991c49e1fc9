// One delivery: its request, the decision, the answer, and the other attempts to
// deliver its message.

import { entryPath, get } from "./api.js";
import { bodyView } from "./body.js";
import { $, capital, clock, copyable, h, icon, outcomeIcon, outcomeKind, outcomeText, patch, span, statusKind, statusText, timestamp, words } from "./dom.js";
import { seqOf } from "./feed.js";
import { eventOf, subjectOf } from "./list.js";
import { visible } from "./visible.js";

const tabs = ["payload", "headers", "answer", "attempts", "timeline"];

export class Detail {
	id = "";
	entry = null;
	search = ""; // is marked in what is shown
	#root = $("#detail");
	#tab = "payload";
	#data; // what is shown
	loaded = Promise.resolve(); // resolves when the delivery is shown
	#loading = null;
	#stale = false; // the delivery has changed since loading began
	#on;
	#actions;

	constructor({ open, close, actions }) {
		this.#on = { open, close };
		this.#actions = actions;
	}

	// show opens a delivery or reloads it. The old content stays until the new one is
	// loaded. A change of the same delivery waits until then, because in a flood each
	// would abort the loading before it.
	show(id, { tab, focus = false } = {}) {
		if (tab) this.#tab = tab;
		this.#root.hidden = false;
		if (focus) this.#root.focus({ preventScroll: true });
		if (id === this.id && this.#loading) this.#stale = true;
		else this.loaded = this.#load(id);
		return this.loaded;
	}

	async #load(id) {
		const isOther = id !== this.id;
		this.id = id;
		this.#stale = false;
		this.#loading?.abort();
		const { signal } = (this.#loading = new AbortController());
		try {
			const entry = await get(entryPath(id), signal);
			const related = await Promise.all([
				this.#attempts(entry, signal), this.#counterpart(entry, signal),
				get(entryPath(id) + "/timeline", signal).catch(() => ({ entries: [] })),
				entry.replay_of && this.#changes(entry, entry.replay_of, signal).catch(() => null),
			]);
			if (signal.aborted) return;
			this.entry = entry;
			this.#data = [entry, ...related];
			this.#render();
		} catch (error) {
			if (signal.aborted) return;
			this.entry = null;
			this.#put(this.#closeButton(), h("p", { class: "note" }, capital(error.message) + "."));
		}
		if (isOther) this.#root.scrollTop = 0;
		this.#loading = null;
		if (this.#stale) setTimeout(() => { if (this.id === id && !this.#loading) this.show(id); }, 200);
	}

	close() {
		this.#loading?.abort();
		this.#loading = null;
		this.id = "";
		this.entry = null;
		this.#root.hidden = true;
		this.#root.replaceChildren();
	}

	concerns(changed) {
		if (!this.id) return false;
		const e = this.entry;
		return changed.id === this.id || changed.replay_of === this.id || Boolean(e?.message_id && e.message_id === changed.message_id);
	}

	// #attempts returns all deliveries of the message, and the entry's replays with other
	// message ids.
	async #attempts(entry, signal) {
		let entries = [entry];
		if (entry.message_id && !/^\.{1,2}$/.test(entry.message_id)) {
			const path = "messages/" + encodeURIComponent(entry.message_id);
			entries = (await get(path, signal).catch(() => ({ entries }))).entries;
		}
		const known = new Set(entries.map((e) => e.id));
		const others = entry.replays.filter((id) => !known.has(id)).slice(-20);
		const replays = await Promise.all(others.map((id) => get(entryPath(id), signal).catch(() => null)));
		return [...entries, ...replays.filter(Boolean)].sort((a, b) => seqOf(a) - seqOf(b));
	}

	// #counterpart returns the entry's latest replay or its original, whose answer is
	// shown beside its own.
	async #counterpart(entry, signal) {
		const id = entry.replays.at(-1) || entry.replay_of;
		return id ? get(entryPath(id), signal).catch(() => null) : null;
	}

	#changes(entry, since, signal) { return get(`${entryPath(entry.id)}/changes?since=${encodeURIComponent(since)}`, signal); }

	#render() {
		const [entry, attempts, counterpart, timeline, edits] = this.#data;
		const panels = {
			payload: () => [edits && edits.list.length > 0 ? changeList(edits, "Edited in this replay") : "",
				bodyView(entry.request.body, { what: "request", unread: "The guard did not read the body to its end.", search: this.search })],
			headers: () => this.#headers(entry.request.headers),
			answer: () => this.#answers(entry, counterpart),
			attempts: () => this.#list(entry, attempts),
			timeline: () => this.#timeline(entry, timeline),
		};
		const panel = h("div", { id: "panel", role: "tabpanel", tabindex: "-1", "aria-labelledby": "tab-" + this.#tab }, panels[this.#tab]());
		const choose = (name) => {
			this.#tab = name;
			this.#render();
		};
		const counts = { attempts: attempts.length, timeline: timeline.entries.length };
		const count = (name) => counts[name] > 1 && h("span", { class: "count" }, counts[name]);
		const bar = h("div", { class: "tabs", role: "tablist", "aria-label": "Delivery" }, tabs.map((name) =>
			h("button", { role: "tab", id: "tab-" + name, "aria-controls": "panel", "aria-selected": String(name === this.#tab), tabindex: name === this.#tab ? "0" : "-1", onclick: () => choose(name) }, capital(name), count(name))));
		bar.addEventListener("keydown", (event) => {
			const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
			if (!step) return;
			const next = tabs[(tabs.indexOf(this.#tab) + step + tabs.length) % tabs.length];
			choose(next);
			$("#tab-" + next).focus();
		});
		this.#put(this.#head(entry), this.#summary(entry, attempts, timeline), this.#buttons(entry), this.#diagnosis(entry), this.#notice(entry), this.#facts(entry), this.#timing(entry), bar, panel);
	}

	// #put shows other content and keeps the focus in it.
	#put(...parts) {
		const focused = document.activeElement;
		patch(this.#root, h("div", {}, parts.map((part) => part || new Text())));
		if (!focused.isConnected) (document.getElementById(focused.id) ?? this.#root).focus({ preventScroll: true });
	}

	#head(entry) {
		return h("header", { class: "detail-head" },
			h("span", { class: "badge " + outcomeKind(entry) }, outcomeIcon(entry), outcomeText(entry)),
			h("h2", { id: "detail-title" }, eventOf(entry)),
			h("span", { class: "status " + statusKind(entry), title: "Status of the answer" }, statusText(entry)),
			this.#closeButton());
	}

	#summary(entry, attempts, timeline) {
		const { changes, out_of_order: isLate } = timeline.entries.find((e) => e.id === entry.id) ?? {};
		const names = (changes?.list ?? []).map((c) => c.path.replace("data.", "")).filter((name, _, all) => all.length === 1 || name !== "updated_at");
		const received = attempts.filter((a) => a.origin === "received");
		const nth = received.findIndex((a) => a.id === entry.id) + 1;
		const parts = [
			subjectOf(entry),
			names.length > 0 && [entry.replay_of ? "edited " : "changed ", h("b", {}, visible(names.slice(0, 3).join(", "))), names.length > 3 && ` and ${names.length - 3} more`],
			isLate && h("b", { class: "untaken" }, late),
			entry.signed_at && "signed " + clock(new Date(entry.signed_at)),
			nth > 0 && `attempt ${nth} of ${received.length}${attempts[received.length] ? ", replayed" : ""}`,
		];
		return h("p", { class: "summary" }, parts.map((part) => part && h("span", {}, part)));
	}

	#closeButton() {
		return h("button", { class: "icon end", id: "detail-close", "aria-label": "Close the delivery", title: "Close (Esc)", onclick: () => this.#on.close() }, icon("close"));
	}

	#buttons(entry) {
		const action = (name, symbol, title, act, properties = {}) =>
			h("button", { id: "do-" + name, onclick: act, ...properties }, icon(symbol), title);
		const save = (format, name, title) =>
			h("a", { class: "button", href: `api/${entryPath(entry.id)}/${format}`, download: `delivery-${entry.id}.${format}`, title }, icon("save"), name);
		const { replay } = entry;
		const isPlain = !replay.signs;
		return h("div", { class: "actions" },
			action("replay", "replay", "Replay", () => this.#actions.replay(this.entry), { disabled: !replay.possible, class: isPlain ? "" : "primary", title: replay.why_not || (isPlain ? "Send again as it was received (r)" : `Send again, signed by “${replay.secret}” (r)`) }),
			action("edit", "edit", "Edit and replay", () => this.#actions.edit(this.entry), { title: "Edit and replay (e)" }),
			isPlain && action("sign", "key", "Sign and replay", () => this.#actions.sign(this.entry), { title: "Sign it with a secret of the endpoint and send it" }),
			action("curl", "copy", "Copy as curl", () => this.#actions.curl(this.entry), { title: "Copy as curl (c)" }),
			["whole", "none"].includes(entry.request.body.state) && save("http", "HTTP", "Save the request as a file for caddy clerk-webhook verify"),
			save("har", "HAR", "Save as HTTP Archive"),
			replay.why_not && h("p", { class: "note" }, `Replay: ${replay.why_not}.`));
	}

	#diagnosis(entry) {
		const d = entry.diagnosis;
		if (!d) return "";
		const causes = d.findings.map((f) => [capital(f.message) + (/[.?!]$/.test(f.message) ? "" : "."), f.proven && h("span", { class: "tag proven", title: "The signature matches if the proven causes are corrected" }, "proven")]);
		if (d.valid) causes.unshift("The signature matches a current secret. It matched none on arrival.");
		return h("section", { class: "diagnosis", "aria-labelledby": "diagnosis-title" },
			h("h3", { id: "diagnosis-title" }, icon("rejected", "o rejected"), h("span", {}, causes[0] ?? "The cause is not known.")),
			h("ul", {}, causes.slice(1).map((cause) => h("li", {}, cause))),
			notesOf(entry).map((note) => h("p", {}, note)),
			h("p", { class: "dim" }, (entry.passed ? "Would be rejected: " : "Rejected: ") + words(entry.reason) + ".",
				entry.passed && " The report_only option let it through.",
				d.verified && d.secret && entry.reason === "signature_mismatch" && !d.findings.some((f) => f.code === "secret_other") && ` The sender signed it with the secret “${d.secret}”.`));
	}

	#notice(entry) {
		const kind = outcomeKind(entry);
		const box = (title, ...lines) => h("section", { class: "diagnosis " + kind, "aria-labelledby": "notice-title" },
			h("h3", { id: "notice-title" }, outcomeIcon(entry), title), lines.map((line) => line && h("p", {}, line)));
		const answered = statusKind(entry) === "s2" ? "acknowledged" : "answered " + statusText(entry);
		const notes = notesOf(entry);
		if (kind === "filtered") return box("Filtered", ...(notes.length > 0 ? notes : ["The endpoint's events option does not include this type."]), `The delivery was ${answered}, and your application has not seen it.`);
		if (kind === "duplicate") return box("Duplicate: " + words(entry.reason), entry.reason === "done" ? "Your application has already answered a copy with 2xx. It has not seen this one." : "Your application was still handling a copy, so the guard told the sender to try again. Svix does not retry a manual resend.");
		if (kind !== "untaken") return "";
		const { answer } = entry;
		if (answer.state === "aborted") return box("No answer", "The connection to your application or to the sender was cut.");
		if (answer.state === "error") return box(`Your application could not answer: ${entry.status}`, h("code", {}, visible(answer.error)), ...notes);
		const text = answer.body.text.trim();
		const to = answer.headers.find((f) => f.name === "Location")?.value;
		return box(`Your application answered ${entry.status}`, to && h("code", {}, "Location: " + visible(to)), text && h("code", {}, visible(text.slice(0, 300)) + (text.length > 300 ? "…" : "")), ...notes);
	}

	#facts(entry) {
		const fact = (name, value, { title, css } = {}) => (value ? h("div", { class: css }, h("dt", {}, name), h("dd", { title }, typeof value === "string" ? visible(value) : value)) : "");
		const link = (id) => h("button", { class: "link", onclick: () => this.#on.open(id) }, id);
		const age = entry.signed_at && signedAgo(entry.age_ms) + (entry.verified ? "" : " (not verified)");
		return h("dl", { class: "facts" },
			fact("Message", entry.message_id && copyable(entry.message_id, "Message id"), { css: "wide" }),
			fact("Request", `${entry.method} ${entry.url}`, { css: "wide" }),
			fact("Received", timestamp(new Date(entry.time)), { title: entry.time }),
			fact("From", [from(entry), entry.request.protocol, entry.request.tls].filter(Boolean).join(" · ")),
			fact("Signed", age, { title: entry.signed_at }),
			fact("Secret", entry.secret),
			fact("Listeners", entry.listeners.map((l) => `${l.who} ${l.status || l.error}`).join(", ")),
			fact("Endpoint", entry.endpoint),
			fact("Recording", copyable(entry.id, "Recording id")),
			fact("Replay of", entry.replay_of && link(entry.replay_of)));
	}

	#timing(entry) {
		const time = (name, ms) => h("li", {}, name, " ", h("b", {}, span(ms)));
		return h("ul", { class: "timing", "aria-label": "Time taken" }, entry.stages.map((stage) => time(stage.name, stage.duration_ms)),
			entry.state === "pending" ? h("li", {}, "in progress") : time("total", entry.duration_ms));
	}

	#headers(headers) {
		if (headers.length === 0) return h("p", { class: "note" }, "There are no headers.");
		return h("table", { class: "headers", "aria-label": "Headers" },
			h("tbody", {}, headers.map((f) => h("tr", {},
				h("th", { scope: "row" }, visible(f.name)),
				h("td", {}, f.redacted ? h("i", { class: "dim" }, "not kept") : visible(f.value),
					f.verified && h("span", { class: "tag verified", title: "Proven by the signature" }, icon("shield"), "verified"))))));
	}

	#answers(entry, counterpart) {
		if (!counterpart) return this.#answer(entry);
		const isOriginal = counterpart.id === entry.replay_of;
		const own = this.#answer(entry, isOriginal ? "This replay" : "This delivery");
		const other = this.#answer(counterpart, isOriginal ? "Its original" : "Its latest replay", true);
		return h("div", { class: "beside" }, isOriginal ? [other, own] : [own, other]);
	}

	#answer(entry, title, linked = false) {
		const { answer } = entry;
		const refused = entry.passed ? "Your application gave no answer: Caddy failed with this status." : "The endpoint refused the request with this status.";
		const states = {
			pending: "Your application has not answered yet.",
			error: refused + " If your site has handle_errors, the sender may have got another answer.",
			aborted: "The connection was cut without an answer.",
		};
		const head = h("div", { class: "answer-head" },
			title && h("h3", {}, title),
			h("span", { class: "status " + statusKind(entry) }, statusText(entry)),
			entry.state === "done" && h("span", { class: "dim" }, span(entry.duration_ms)),
			linked && h("button", { class: "link end", onclick: () => this.#on.open(entry.id) }, "Open"));
		return h("section", { class: "answer", "data-of": entry.id }, head,
			states[answer.state] && h("p", { class: "note" }, states[answer.state]),
			answer.state === "answered" && bodyView(answer.body, { what: "answer" }),
			answer.headers.length > 0 && this.#headers(answer.headers));
	}

	#timeline(entry, { object_id: id, entries, more }) {
		if (entries.length === 0) return h("p", { class: "note" }, "No data.id is known, so deliveries about the same object cannot be found.");
		const compare = async (other) => {
			const { entry } = this;
			const [before, after] = seqOf(other) < seqOf(entry) ? [other, entry] : [entry, other];
			const title = [before, after].map((e) => clock(new Date(e.time))).join(" → ");
			$("#compared").replaceChildren(await this.#changes(after, before.id).then((changes) => changeList(changes, title), (error) => h("p", { class: "note" }, capital(error.message) + ".")));
		};
		const under = (e) => [e.changes && changeList(e.changes),
			e.id !== entry.id && h("button", { class: "link", onclick: () => compare(e) }, "Compare with the open one")];
		return [h("p", { class: "note" }, more ? "The last deliveries about " : "Deliveries about ", h("code", {}, visible(id))), h("div", { role: "status", id: "compared", key: entry.id }), this.#list(entry, entries, under)];
	}

	#list(entry, attempts, under) {
		const first = Date.parse(attempts[0].time);
		return h("ol", { class: "timeline" }, attempts.map((a, i) => {
			const current = a.id === entry.id;
			const since = i === 0 ? clock(new Date(a.time)) : "+" + span(Date.parse(a.time) - first);
			const says = [under && (a.type || a.subject.type && "unverified " + a.subject.type), a.out_of_order && late, a.origin !== "received" && a.origin, a.reason && words(a.reason), a.state === "done" && span(a.duration_ms), !under && a.message_id !== entry.message_id && "other message id"];
			return h("li", { class: current ? "current" : "", id: "of-" + a.id },
				h("button", { id: "attempt-" + a.id, title: timestamp(new Date(a.time)), "aria-current": current && "true", onclick: () => this.#on.open(a.id) },
					outcomeIcon(a), h("b", {}, outcomeText(a)),
					h("span", { class: "status " + statusKind(a) }, statusText(a)),
					h("span", { class: "dim" }, visible(says.filter(Boolean).join(" · "))),
					h("time", { class: "end", datetime: a.time }, since)), under?.(a));
		}));
	}
}

// from names the peer, and the client in front of it if the peer is a trusted proxy.
function from({ client_ip: client, remote_addr: peer }) {
	const host = peer.replace(/^\[?([^%\]]*?)(?:%[^\]]*)?\]?:\d+$/, "$1");
	return client === "" || client === host ? peer : `${client} via ${peer}`;
}

const notesOf = (entry) => entry.notes.map((note) => capital(note.message) + ".");

// signedAgo says when a delivery was signed, in whole seconds as its timestamp has them.
function signedAgo(ms) {
	if (ms >= 0 && ms < 1000) return "less than 1 s before arrival";
	return `about ${span(Math.floor(ms / 1000) * 1000)} ${ms < 0 ? "after" : "before"} arrival`;
}

const late = "arrived after a newer event";

function changeList({ list, more }, title) {
	return h("section", { class: "changes" }, title && h("h3", {}, title), list.length === 0 && "No difference",
		h("ul", {}, list.map((c) => h("li", {}, c.path && copyable(c.path, "Path"), c.before && h("del", {}, visible(c.before)), c.after && h("ins", {}, visible(c.after))))),
		more && "There are more changes.");
}
