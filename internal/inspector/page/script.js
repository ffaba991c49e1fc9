// The inspector's page: what is selected, what is open, and what goes on.

import { clearEntries, entryPath, get, getText, post, Stream } from "./api.js";
import { openClear, openEdit, openExample, openKeys } from "./dialogs.js";
import { Detail } from "./detail.js";
import { $, copy, h, size, span, toast } from "./dom.js";
import * as filters from "./filter.js";
import { List } from "./list.js";

const pageSize = 1000;
const most = 15000; // entries kept here; the inspector keeps fewer

const form = $("#filter");
let state = filters.parse(location.hash);
let entries = new Map();
let next = "";          // where the list goes on
let loading = null;     // the list being read
let paused = false;
let held = new Map();   // what has changed during a pause
let status = { endpoints: [] };
let types = [];

const list = new List({ open, move, end: loadMore });
const detail = new Detail({ open, close, replay, edit, sign, curl });
const stream = new Stream({ state: showConnection, entry: changed, clear: cleared, reset: load });

const withTime = (entry) => Object.assign(entry, { at: Date.parse(entry.time), seq: Number(entry.id.split("-").pop()) });

// load reads the list from its beginning and follows what happens after it.
async function load() {
	loading?.abort();
	const { signal } = (loading = new AbortController());
	stream.stop();
	try {
		const page = await get(`entries?${query()}`, signal);
		held.clear();
		entries = new Map(page.entries.map((e) => [e.id, withTime(e)]));
		next = page.next;
		loading = null;
		showProblem("");
		show();
		stream.start(page.cursor);
		if (detail.id) detail.show(detail.id);
		loadStatus();
	} catch (error) {
		if (signal.aborted) return;
		loading = null;
		if (error.code === "bad_request") {
			showProblem(error.message);
			return;
		}
		showConnection("lost");
		setTimeout(() => { if (!loading) load(); }, 3000);
	}
}

async function loadMore() {
	if (!next || loading) return;
	const { signal } = (loading = new AbortController());
	try {
		const page = await get(`entries?${query()}&before=${encodeURIComponent(next)}`, signal);
		for (const e of page.entries) if (!entries.has(e.id)) entries.set(e.id, withTime(e));
		next = page.next;
		show();
	} catch {
		// It is tried again when the end comes into view the next time.
	} finally {
		if (loading?.signal === signal) loading = null;
	}
}

const query = () => `limit=${pageSize}&${state.filter}`;

// Changes are shown together, once for each frame.
let waiting = new Map();

function changed(entry) {
	if (paused) {
		held.set(entry.id, entry);
		showPause();
		return;
	}
	if (waiting.size === 0) setTimeout(take, 30);
	waiting.set(entry.id, entry);
}

async function take() {
	const batch = [...waiting.values()];
	waiting.clear();
	const matches = filters.matcher(state.filter);
	if (matches) merge(batch, batch.filter(matches));
	else lookUp(batch);
	if (batch.some((e) => detail.concerns(e))) detail.show(detail.id);
	loadStatusSoon();
}

function merge(batch, matching) {
	const fresh = matching.filter((e) => !entries.has(e.id)).map((e) => e.id);
	for (const e of batch) if (!matching.includes(e)) entries.delete(e.id);
	for (const e of matching) entries.set(e.id, withTime(e));
	show(fresh);
}

// lookUp asks the server what of a batch matches: it alone has the bodies.
let lookUpTimer = 0;
let unknown = new Map();

function lookUp(batch) {
	for (const e of batch) unknown.set(e.id, e);
	clearTimeout(lookUpTimer);
	lookUpTimer = setTimeout(async () => {
		const asked = [...unknown.values()];
		const filter = state.filter;
		unknown.clear();
		try {
			const page = await get(`entries?${query()}`);
			if (filter !== state.filter) return;
			merge(asked, page.entries);
		} catch {
			// The connection is lost: when it is back, the stream says so.
		}
	}, 200);
}

function show(fresh) {
	const sorted = [...entries.values()].sort((a, b) => b.seq - a.seq);
	for (const e of sorted.splice(most)) entries.delete(e.id);
	list.set(sorted, fresh);
	showEmpty(sorted.length === 0);
}

function cleared() {
	held.clear();
	waiting.clear();
	entries.clear();
	next = "";
	show();
	close();
	loadStatusSoon();
}

function showEmpty(isEmpty) {
	const box = $("#empty");
	box.hidden = !isEmpty;
	$("#list").hidden = isEmpty;
	if (!isEmpty) return;
	if (filters.count(state.filter) > 0) {
		box.replaceChildren(h("h3", {}, "No delivery matches"), h("p", {}, "Others may come, or the filter is too narrow."), h("button", { type: "button", onclick: resetFilter }, "Reset filter"));
	} else if (status.endpoints.length === 0) {
		box.replaceChildren(h("h3", {}, "No endpoint is recorded"), h("p", {}, "Put ", h("code", {}, "inspect"), " into a ", h("code", {}, "clerk_webhook"), " block of the Caddyfile and reload Caddy."));
	} else {
		box.replaceChildren(h("h3", {}, "Waiting for deliveries"),
			h("p", {}, "They appear here as they arrive at"),
			h("ul", {}, status.endpoints.map((e) => h("li", {}, h("code", {}, e.url || e.name)))),
			h("button", { type: "button", onclick: send }, "Send example"));
	}
}

function showConnection(name) {
	const text = { live: "Live", lost: "Connection lost, trying again" }[name];
	$("#connection").dataset.state = name;
	$("#connection-text").textContent = text;
}

function showProblem(message) {
	$("#problem").hidden = message === "";
	$("#problem").textContent = message;
}

let statusTimer = 0;

function loadStatusSoon() {
	statusTimer ||= setTimeout(loadStatus, 1000);
}

async function loadStatus() {
	clearTimeout(statusTimer);
	statusTimer = 0;
	try {
		status = await get("status");
	} catch {
		return; // what it was is good enough
	}
	const { verified, rejected } = status;
	$("#kept").textContent = `${verified.entries + rejected.entries} kept · ${size(verified.bytes + rejected.bytes)}`;
	$("#kept").title = `Verified: ${verified.entries}, ${size(verified.bytes)} of ${size(verified.max_bytes)}. Rejected: ${rejected.entries}, ${size(rejected.bytes)} of ${size(rejected.max_bytes)}. Made room: ${verified.evicted + rejected.evicted}.`;
	showEndpoints();
	showEmpty(entries.size === 0);
}

function showEndpoints() {
	const field = form.elements.endpoint;
	const names = new Set(status.endpoints.map((e) => e.name));
	if (state.filter.has("endpoint")) names.add(state.filter.get("endpoint"));
	field.replaceChildren(new Option("Any endpoint", ""), ...[...names].map((name) => new Option(name, name)));
	field.value = state.filter.get("endpoint") ?? "";
	field.hidden = names.size < 2;
}

// The address says what is selected and open.

function remember(push = false) {
	history[push ? "pushState" : "replaceState"](null, "", filters.format(state));
	const n = filters.count(state.filter);
	$("#reset").hidden = n === 0;
	const others = n - (state.filter.has("text") ? 1 : 0);
	$("#filter-more").textContent = others ? `Filters (${others})` : "Filters";
}

let filterTimer = 0;

function filterChanged(delay) {
	clearTimeout(filterTimer);
	filterTimer = setTimeout(() => applyFilter(filters.fromForm(form)), delay);
}

function applyFilter(filter) {
	clearTimeout(filterTimer);
	if (filter.toString() === state.filter.toString()) return;
	state = { ...state, filter };
	remember();
	load();
}

function resetFilter() {
	filters.toForm(form, new URLSearchParams());
	applyFilter(new URLSearchParams());
	form.elements.text.focus();
}

const isNarrow = () => matchMedia("(max-width: 760px)").matches;

function open(id, { focus = false, show = true, tab } = {}) {
	const wasOpen = state.open !== "";
	state = { ...state, open: id };
	remember(!wasOpen);
	list.select(id, { show });
	document.body.classList.add("opened");
	detail.show(id, { tab, focus: focus || isNarrow() });
}

// move follows the keyboard through the list.
let moveTimer = 0;

function move(id) {
	if (isNarrow()) return;
	clearTimeout(moveTimer);
	moveTimer = setTimeout(() => open(id, { show: false }), 60);
}

function close() {
	clearTimeout(moveTimer);
	if (!state.open) return;
	state = { ...state, open: "" };
	remember();
	shut();
}

function shut() {
	const hadFocus = $("#detail").contains(document.activeElement);
	document.body.classList.remove("opened");
	detail.close();
	list.draw();
	if (hadFocus) list.focus();
}

function restore() {
	const before = state;
	state = filters.parse(location.hash);
	filters.toForm(form, state.filter);
	remember();
	if (before.filter.toString() !== state.filter.toString()) load();
	if (state.open) open(state.open);
	else shut();
}

// What a person can do.

function tellSent(answer, what) {
	const shown = answer.answer.status || { aborted: "cut off", pending: "no answer" }[answer.answer.state] || "no answer";
	const failed = !answer.guarded || answer.answer.status < 200 || answer.answer.status > 299;
	const parts = [`${what}: ${shown}${answer.outcome ? ", " + answer.outcome : ""}, ${span(answer.duration_ms)}`];
	if (answer.note) parts.push(answer.note);
	toast(parts.join(". "), { failed, action: answer.entry && "Open", act: () => open(answer.entry, { focus: true }) });
}

async function replay(entry) {
	const button = $("#do-replay");
	if (!button || button.disabled) return;
	button.disabled = true;
	try {
		tellSent(await post(`${entryPath(entry.id)}/replay`, {}), "Replayed");
		if (detail.id === entry.id) await detail.show(entry.id, { tab: "answer" });
	} catch (error) {
		toast("Not replayed: " + error.message, { failed: true });
		button.disabled = false;
	}
}

const secretsOf = (entry) => status.endpoints.find((e) => e.name === entry.endpoint)?.secrets ?? [];

function openEditor(entry, sign) {
	openEdit(entry, {
		sign, secrets: secretsOf(entry), done: (answer) => {
			tellSent(answer, sign ? "Signed and replayed" : "Replayed");
			if (detail.id === entry.id) detail.show(entry.id, { tab: "answer" });
		},
	});
}

function edit(entry) { openEditor(entry, false); }

function sign(entry) { openEditor(entry, true); }

async function curl(entry) {
	try {
		await copy(await getText(entryPath(entry.id) + "/curl"), "curl command");
	} catch (error) {
		toast("Not copied: " + error.message, { failed: true });
	}
}

async function send() {
	await loadStatus(); // an endpoint's place is known once something has arrived there
	if (status.endpoints.length === 0) {
		toast("No endpoint with inspect is configured", { failed: true });
		return;
	}
	try {
		await loadTypes();
		await openExample({
			types, endpoints: status.endpoints, done: (answer) => {
				tellSent(answer, "Sent");
				if (answer.entry) open(answer.entry, { tab: "payload" });
			},
		});
	} catch (error) {
		toast("Not sent: " + error.message, { failed: true });
	}
}

async function loadTypes() {
	if (types.length > 0) return;
	types = (await get("events")).events;
	const families = [...new Set(types.map((type) => type.split(".")[0] + ".*"))];
	$("#event-types").replaceChildren(...[...families, ...types].map((type) => h("option", { value: type })));
}

function togglePause() {
	paused = !paused;
	showPause();
	if (paused) return;
	const missed = [...held.values()];
	held.clear();
	missed.forEach(changed);
}

function showPause() {
	const button = $("#pause");
	button.setAttribute("aria-pressed", paused);
	$("use", button).setAttribute("href", paused ? "#i-play" : "#i-pause");
	$("span", button).textContent = !paused ? "Pause" : held.size > 0 ? `Resume (${held.size})` : "Resume";
}

const clear = () => openClear(clearEntries); // the stream says that it is done

const keys = {
	"/": () => { form.elements.text.focus(); form.elements.text.select(); },
	"?": openKeys,
	p: togglePause,
	s: send,
	r: () => { if (detail.entry) replay(detail.entry); },
	e: () => { if (detail.entry) edit(detail.entry); },
	c: () => { if (detail.entry) curl(detail.entry); },
};

addEventListener("keydown", (event) => {
	if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
	const field = event.target.closest("input, textarea, select");
	if (event.key === "Escape") {
		if (field) list.focus();
		else close();
		return;
	}
	const act = keys[event.key];
	if (!act || (field && field.type !== "checkbox")) return;
	event.preventDefault();
	act();
});

form.addEventListener("input", (event) => filterChanged(event.target.matches("[name=text], [name=type], [name=id]") ? 250 : 0));
form.addEventListener("submit", (event) => { event.preventDefault(); filterChanged(0); });
form.elements.text.addEventListener("keydown", (event) => {
	if (event.key === "ArrowDown") {
		event.preventDefault();
		list.focus();
	}
});
$("#reset").addEventListener("click", resetFilter);
$("#filter-more").addEventListener("click", () => {
	const shown = form.classList.toggle("all");
	$("#filter-more").setAttribute("aria-expanded", shown);
});
$("#pause").addEventListener("click", togglePause);
$("#clear").addEventListener("click", clear);
$("#send").addEventListener("click", send);
addEventListener("popstate", restore);
addEventListener("pageshow", (event) => { if (event.persisted) load(); });

filters.toForm(form, state.filter);
remember();
load();
loadTypes().catch(() => {}); // asked for again when they are needed
if (state.open) open(state.open);
