// The inspector's page: its state, and what connects its parts.

import { Actions } from "./actions.js";
import { clearEntries } from "./api.js";
import { Detail } from "./detail.js";
import { openClear } from "./dialogs.js";
import { $, h, patch } from "./dom.js";
import { Feed } from "./feed.js";
import * as filters from "./filter.js";
import { listen, openKeys } from "./keyboard.js";
import { List } from "./list.js";
import { Status } from "./status.js";

const form = $("#filter");
let state = filters.parse(location.hash);

const status = new Status(() => {
	feed.limits = status.limits;
	showEndpoints();
	showEmpty();
	list.draw(); // the endpoints' names
});
const actions = new Actions({
	status, open, answered: async (entry) => { if (detail.id === entry.id) await detail.show(entry.id, { tab: "answer" }); },
});
const detail = new Detail({ open, close, actions });
const feed = new Feed({
	state(name) {
		showConnection(name);
		if (name !== "live") return;
		showProblem("");
		if (detail.id && !detail.entry) detail.show(detail.id); // it could not be loaded before
	},
	held: showPause,
	problem: showProblem,
	loaded() {
		showProblem("");
		showPause();
		if (detail.id) detail.show(detail.id);
		status.load();
	},
	show(entries, fresh) {
		list.set(entries, fresh);
		showEmpty();
		showFound();
	},
	changed(batch) {
		if (batch.some((e) => detail.concerns(e))) detail.show(detail.id);
		status.loadSoon();
	},
	cleared() {
		showPause();
		close();
		status.loadSoon();
	},
});
const list = new List({ open, move, end: () => feed.more() });
list.nameOf = (entry) => status.nameOf(entry);

// The connection, problems and the empty list.

let connection = "connecting";

function showConnection(name) {
	connection = name;
	$("#connection").dataset.state = name;
	const live = feed.paused ? "Paused" : "Live";
	$("#connection-text").textContent = {
		connecting: "Connecting", live, lost: "Connection lost, trying again", failed: "Not live, trying again", stopped: "Not live: invalid filter",
	}[name];
}

function showPause() {
	const button = $("#pause");
	$("use", button).setAttribute("href", feed.paused ? "#i-play" : "#i-pause");
	$("span", button).textContent = !feed.paused ? "Pause" : feed.waiting > 0 ? `Resume (${feed.waiting})` : "Resume";
}

function togglePause() {
	feed.pause(!feed.paused);
	document.body.classList.toggle("paused", feed.paused);
	showPause();
	showConnection(connection);
}

function showProblem(message) {
	const line = $("#problem");
	line.hidden = message === "";
	if (line.textContent !== message) line.textContent = message; // screen readers read each change out
}

addEventListener("pointerup", () => setTimeout(showEmpty));

function showEmpty() {
	if ($("#empty:active")) return; // or a press of its button does nothing
	const isEmpty = feed.size === 0;
	$("#empty").hidden = !isEmpty;
	$("#list").hidden = $("#heads").hidden = isEmpty;
	if (isEmpty && status.isKnown) patch($("#empty"), h("div", {}, status.emptyList({ isFiltered: filters.isSet(state.filter), hasType: state.filter.has("type"), reset: resetFilter, send })));
}

function showFound() {
	$("#found").textContent = filters.isSet(state.filter) && feed.size > 0 ? `${feed.size}${feed.hasMore ? "+" : ""} found` : "";
}

function showEndpoints() {
	document.body.classList.toggle("several", status.endpoints.length > 1);
	const field = form.elements.endpoint;
	const names = new Set(status.endpoints.map((e) => e.name));
	if (state.filter.has("endpoint")) names.add(state.filter.get("endpoint"));
	patch(field, h("select", {}, new Option("Any endpoint", ""), [...names].map((name) => new Option(name, name))));
	const chosen = state.filter.get("endpoint") ?? "";
	if (field.value !== chosen) field.value = chosen; // would reset an open list of choices
	field.hidden = names.size < 2;
}

// The filter and the open delivery, which the page's URL holds.

function remember(push = false) {
	history[push ? "pushState" : "replaceState"](null, "", filters.format(state));
	list.search = detail.search = state.filter.get("text") ?? "";
	$("#reset").hidden = !filters.isSet(state.filter);
	const folded = filters.countFolded(state.filter);
	$("#filter-more").textContent = folded ? `Filters (${folded})` : "Filters";
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
	feed.load(filter);
}

function resetFilter() {
	filters.toForm(form, new URLSearchParams());
	applyFilter(new URLSearchParams());
	form.elements.text.focus();
}

// The open delivery.

const isNarrow = () => matchMedia("(max-width: 760px)").matches;

function open(id, { focus = false, show = true, tab } = {}) {
	stopMove();
	const wasOpen = state.open !== "";
	state = { ...state, open: id };
	remember(!wasOpen);
	list.select(id, { show });
	document.body.classList.add("opened");
	detail.show(id, { tab, focus: focus || isNarrow() });
}

let moveTimer = 0;

function move(id) {
	if (isNarrow()) return;
	stopMove();
	moveTimer = setTimeout(() => open(id, { show: false }), 60);
}

function stopMove() {
	clearTimeout(moveTimer);
	moveTimer = 0;
}

function close() {
	stopMove();
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
	if (before.filter.toString() !== state.filter.toString()) feed.load(state.filter);
	if (state.open) open(state.open);
	else shut();
}

// Buttons, keys and fields.

const send = () => actions.send();

// withOpen waits until the selected delivery is open, so that a shortcut never acts on
// another one.
const withOpen = (act) => async () => {
	if (moveTimer) open(list.active, { show: false });
	await detail.loaded;
	if (detail.entry?.id === detail.id) act(detail.entry);
};

listen({
	"/": () => { form.elements.text.focus(); form.elements.text.select(); },
	"?": openKeys,
	p: togglePause,
	s: send,
	r: withOpen((entry) => actions.replay(entry)),
	e: withOpen((entry) => actions.edit(entry)),
	c: withOpen((entry) => actions.curl(entry)),
}, { escape: (field) => (field ? list.focus() : close()) });

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
$("#clear").addEventListener("click", () => openClear(clearEntries)); // the stream reports it
$("#send").addEventListener("click", send);
$("#help").addEventListener("click", openKeys);
addEventListener("popstate", restore);
addEventListener("pageshow", (event) => { if (event.persisted) feed.load(); });

filters.toForm(form, state.filter);
remember();
feed.load(state.filter);
actions.types().catch(() => {}); // requested again when they are needed
if (state.open) open(state.open);
