// The dialogs to edit a delivery, to send an example and to delete all recordings.

import { entryPath, get, post } from "./api.js";
import { $, capital, h, icon, toast } from "./dom.js";
import { canIndent, compact, pretty, scan } from "./json.js";

for (const header of document.querySelectorAll("dialog header")) header.append(h("button", { class: "icon", "data-close": true, "aria-label": "Close" }, icon("close")));
for (const button of document.querySelectorAll("dialog [data-close]")) {
	button.addEventListener("click", () => button.closest("dialog").close());
}

// Form is a dialog whose button starts an action. It closes when the action succeeds.
class Form {
	// failed begins the message about an action that fails after the dialog was closed.
	constructor(id, failed) {
		this.failed = failed;
		this.dialog = $(id);
		this.form = $("form", this.dialog);
		this.submit = $("[type=submit]", this.form);
		this.form.addEventListener("submit", (event) => {
			event.preventDefault();
			this.#do();
		});
		this.form.addEventListener("input", (event) => { this.written ||= event.target.matches("textarea"); });
		this.dialog.addEventListener("cancel", (event) => this.#escape(event));
	}

	// #escape asks for a second Esc before it discards text.
	#escape(event) {
		if (!this.written) return;
		event.preventDefault();
		this.written = false;
		this.#fail("press Esc again to discard your changes");
	}

	open(act) {
		this.act = () => act(); // a new function each time, so that #do can compare it
		this.written = false;
		this.#fail("");
		this.submit.disabled = false;
		this.dialog.showModal();
	}

	async #do() {
		if (this.submit.disabled) return;
		this.submit.disabled = true;
		this.#fail("");
		const { act } = this;
		try {
			if ((await act()) !== false && this.act === act) this.dialog.close();
		} catch (error) {
			if (this.dialog.open && this.act === act) this.#fail(error.message);
			else toast(`${this.failed}: ${error.message}`, { failed: true });
		} finally {
			if (this.act === act) this.submit.disabled = false;
		}
	}

	#fail(message) {
		const line = $(".failure", this.form);
		line.hidden = message === "";
		line.textContent = capital(message);
	}
}

// Editor checks JSON while you type.
class Editor {
	constructor(form, subject) {
		this.subject = subject;
		this.area = form.elements.body;
		this.exact = form.elements.exact;
		this.check = $(".check", form);
		this.area.addEventListener("input", () => this.#lookSoon());
		this.exact.addEventListener("change", () => this.#look());
		this.area.addEventListener("keydown", (event) => {
			if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
		});
	}

	set(text) {
		const parsed = scan(text);
		this.original = canIndent(parsed) ? pretty(parsed.tokens).map((t) => t.text).join("") : text;
		this.area.value = this.original;
		this.original = this.area.value; // a textarea changes line ends
		this.area.setSelectionRange(0, 0);
		this.area.scrollTop = 0;
		this.exact.checked = false;
		this.#look();
	}

	get changed() { return this.area.value !== this.original; }

	// value returns the body to send. If it is not JSON, value shows where, and returns null.
	value() {
		if (this.exact.checked) return this.area.value;
		const { tokens, error } = scan(this.area.value);
		if (tokens) return compact(tokens);
		this.#look();
		this.area.focus();
		this.area.setSelectionRange(error.index, Math.min(error.index + 1, this.area.value.length));
		return null;
	}

	// #lookSoon waits until you stop typing, because screen readers read the result out.
	#lookSoon() {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.#look(), 300);
	}

	#look() {
		clearTimeout(this.timer);
		const { error } = scan(this.area.value);
		this.check.classList.toggle("wrong", Boolean(error));
		this.area.setAttribute("aria-invalid", Boolean(error));
		if (error) this.check.textContent = `Not JSON: line ${error.line}, column ${error.column}: ${error.message}`;
		else this.check.textContent = this.exact.checked ? "JSON. It is sent exactly as you wrote it." : `JSON. ${this.subject} is sent without white space, as Svix does.`;
	}
}

const edit = new Form("#edit", "Not sent");
const editor = new Editor(edit.form, "If you change it, it");

// Headers that the API does not let you change.
const fixed = /^(?:(?:svix|webhook)-(?:id|timestamp|signature)|content-length|transfer-encoding|trailer|expect|host)$/i;

// openEdit asks for changes to a delivery and replays it. With sign, the replay is
// signed even if the original was rejected.
export function openEdit(entry, { sign, secrets, done }) {
	const { form } = edit;
	const fields = form.elements;
	const body = entry.request.body;
	$("#edit-title").textContent = sign ? "Sign and replay" : "Edit and replay";
	$(".what", form).textContent = whatHappens(entry, sign);
	form.classList.toggle("signs", sign);
	edit.submit.textContent = sign ? "Sign and replay" : "Replay";
	edit.submit.className = sign ? "danger" : "primary";
	editor.set(body.text);
	fields.type.value = entry.type;
	fields.new_id.checked = false;
	fields.new_id.parentElement.hidden = !sign && !entry.replay.signs;
	fields.secret.replaceChildren(...secrets.filter((s) => s.signs).map((s) => new Option(s.name, s.name)));
	const headers = editableHeaders(entry.request.headers);
	fields.headers.value = [...headers].map(([name, value]) => `${name}: ${value}`).join("\n");

	edit.open(async () => {
		const call = {};
		if (editor.changed || fields.exact.checked) {
			call.body = editor.value();
			if (call.body === null) return false;
		}
		if (fields.type.value.trim() !== entry.type && fields.type.value.trim() !== "") call.type = fields.type.value.trim();
		const changes = changedHeaders(headers, fields.headers.value);
		if (Object.keys(changes).length > 0) call.headers = changes;
		if (fields.new_id.checked) call.new_id = true;
		if (sign && fields.secret.value) call.secret = fields.secret.value;
		done(await post(`${entryPath(entry.id)}/${sign ? "sign-and-replay" : "replay"}`, call));
	});
	fields.body.focus();
}

function whatHappens(entry, sign) {
	if (sign) return "This signs the request with a secret of the endpoint, so your application will trust it. Check the body first.";
	if (entry.replay.signs) return `The replay is signed with the secret “${entry.replay.secret}” and sent through the current configuration of Caddy.`;
	return "The replay keeps the original signature. If you change the body, the signature no longer matches. To make a new one, use Sign and replay.";
}

function editableHeaders(list) {
	const headers = new Map();
	for (const { name, value, redacted } of list) {
		if (redacted || fixed.test(name)) continue;
		headers.set(name, headers.has(name) ? headers.get(name) + ", " + value : value);
	}
	return headers;
}

function changedHeaders(before, text) {
	const after = new Map();
	for (const line of text.split("\n")) {
		if (line.trim() === "") continue;
		const colon = line.indexOf(":");
		if (colon < 1) throw new Error(`“${line}” is not a header: write a name, a colon and a value`);
		after.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
	}
	const changes = Object.create(null);
	for (const [name, value] of after) if (before.get(name)?.trim() !== value) changes[name] = value;
	const kept = new Set([...after.keys()].map((name) => name.toLowerCase()));
	for (const name of before.keys()) if (!kept.has(name.toLowerCase())) changes[name] = null;
	return changes;
}

const example = new Form("#example", "Not sent");
const payload = new Editor(example.form, "It");
let lastType = "user.created";
let examples = []; // the endpoints in the dialog

example.form.elements.type.addEventListener("change", () => refill());
example.form.elements.fresh.addEventListener("click", () => refill());
example.form.elements.endpoint.addEventListener("change", () => showEndpoint());

export async function openExample({ types, endpoints, done }) {
	const fields = example.form.elements;
	examples = endpoints;
	if (fields.type.options.length === 0) fields.type.append(...grouped(types));
	fields.type.value = lastType;
	const chosen = fields.endpoint.value;
	const names = endpoints.map(nameAmong);
	fields.endpoint.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
	$("details", example.form).open ||= names.some((name, i) => name !== endpoints[i].name); // it has the whole URL
	fields.message_id.value = "";
	showEndpoint();
	example.open(async () => {
		const body = payload.value();
		if (body === null) return false;
		const call = { payload: body, endpoint: chosenEndpoint().name };
		for (const name of ["url", "secret", "message_id"]) if (fields[name].value.trim()) call[name] = fields[name].value.trim();
		done(await post("send", call));
	});
	await refill();
}

async function refill() {
	const type = example.form.elements.type.value;
	lastType = type;
	example.written = false;
	payload.check.textContent = "";
	try {
		const event = await get("events/" + encodeURIComponent(type));
		if (example.form.elements.type.value === type && !example.written) payload.set(event.payload);
	} catch (error) {
		payload.check.textContent = capital(error.message);
	}
}

// nameAmong adds the URL to the name of an endpoint if several have that name.
function nameAmong(endpoint, _, all) {
	const isShared = all.filter((e) => e.name === endpoint.name).length > 1;
	return isShared && endpoint.url ? `${endpoint.name} at ${endpoint.url}` : endpoint.name;
}

const chosenEndpoint = () => examples[example.form.elements.endpoint.selectedIndex];

function showEndpoint() {
	const fields = example.form.elements;
	const endpoint = chosenEndpoint();
	const signing = (endpoint?.secrets ?? []).filter((s) => s.signs);
	fields.secret.replaceChildren(...signing.map((s) => new Option(s.name, s.name)));
	fields.url.value = endpoint?.url ?? "";
}

function grouped(types) {
	return [...Map.groupBy(types, (type) => type.split(".")[0])].map(([family, members]) =>
		h("optgroup", { label: family }, members.map((type) => new Option(type, type))));
}

const sure = new Form("#sure", "Not deleted");

export const openClear = (act) => sure.open(act);
