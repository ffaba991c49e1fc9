// What you can do with a delivery. The page reports the result in a toast.

import { entryPath, get, getText, post } from "./api.js";
import { openEdit, openExample } from "./dialogs.js";
import { $, copy, h, span, toast } from "./dom.js";

export class Actions {
	#types = [];
	#replaying = new Set(); // ids of entries
	#status;
	#open;
	#answered;

	// answered is called with an entry after it was replayed.
	constructor({ status, open, answered }) {
		this.#status = status;
		this.#open = open;
		this.#answered = answered;
	}

	async replay(entry) {
		if (!entry.replay.possible || this.#replaying.has(entry.id)) return;
		this.#replaying.add(entry.id);
		try {
			this.#tell(await post(`${entryPath(entry.id)}/replay`, {}), "Replayed");
			await this.#answered(entry);
		} catch (error) {
			toast("Not replayed: " + error.message, { failed: true });
		} finally {
			this.#replaying.delete(entry.id);
		}
	}

	edit(entry, sign = false) {
		openEdit(entry, {
			sign, secrets: this.#status.secretsOf(entry), done: (answer) => {
				this.#tell(answer, sign ? "Signed and replayed" : "Replayed");
				this.#answered(entry);
			},
		});
	}

	sign(entry) { this.edit(entry, true); }

	async curl(entry) {
		try {
			const command = await getText(entryPath(entry.id) + "/curl");
			await copy(command.trimEnd(), "curl command"); // a terminal would run it at once if it ended in a line break
		} catch (error) {
			toast("Not copied: " + error.message, { failed: true });
		}
	}

	async send() {
		await this.#status.load(); // an endpoint's URL may only be known since its first delivery
		const { endpoints } = this.#status;
		if (endpoints.length === 0) {
			toast("No endpoint has the inspect option: add it to a clerk_webhook block", { failed: true });
			return;
		}
		try {
			await openExample({
				types: await this.types(), endpoints, done: (answer) => {
					this.#tell(answer, "Sent");
					if (answer.entry) this.#open(answer.entry, { tab: "payload" });
				},
			});
		} catch (error) {
			toast("Not sent: " + error.message, { failed: true });
		}
	}

	async types() {
		if (this.#types.length > 0) return this.#types;
		this.#types = (await get("events")).events;
		const families = [...new Set(this.#types.map((type) => type.split(".")[0] + ".*"))];
		$("#event-types").replaceChildren(...[...families, ...this.#types].map((type) => h("option", { value: type })));
		return this.#types;
	}

	#tell(answer, what) {
		const shown = answer.answer.status || (answer.answer.state === "aborted" ? "connection cut" : "no answer");
		const failed = !answer.guarded || answer.answer.status < 200 || answer.answer.status > 299;
		const parts = [`${what}: ${shown}${answer.outcome ? ", " + answer.outcome : ""}, ${span(answer.duration_ms)}`];
		if (answer.note) parts.push(answer.note);
		toast(parts.join(". "), { failed, action: answer.entry && "Open", act: () => this.#open(answer.entry, { focus: true }) });
	}
}
