// The inspector's API is below the path at which the page is mounted. This URL has no
// user name and password, because fetch refuses such URLs.
const base = new URL("api/", location.origin + location.pathname);

async function call(path, options) {
	let response;
	try {
		response = await fetch(new URL(path, base), { cache: "no-store", ...options });
	} catch {
		throw new Error("the inspector cannot be reached");
	}
	if (response.ok) return response;
	const answer = await response.json().catch(() => ({}));
	const error = new Error(answer.error || `the inspector answered ${response.status}`);
	error.code = answer.code;
	throw error;
}

export const get = async (path, signal) => (await call(path, { signal })).json();

export const getText = async (path) => (await call(path)).text();

export const post = async (path, body) =>
	(await call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();

export const clearEntries = async () => (await call("entries", { method: "DELETE" })).json();

export const entryPath = (id) => "entries/" + encodeURIComponent(id);

// Stream receives changes. EventSource reconnects by itself when a connection
// breaks, but not after an error response, such as that of a proxy. Then Stream
// opens a new one, and waits longer each time.
export class Stream {
	#source = null;
	#timer = 0;
	#wait = 1000;
	#cursor = "";
	#on;

	constructor(on) {
		this.#on = on;
		addEventListener("pagehide", () => this.stop());
		addEventListener("online", () => this.#open());
		// Browsers limit the connections to one server, and all tabs share them.
		document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.#open()));
	}

	// start receives what changes after the cursor of a list.
	start(cursor) {
		this.#cursor = cursor;
		this.#open();
	}

	stop() {
		clearTimeout(this.#timer);
		this.#source?.close();
		this.#source = null;
	}

	// forget stops the stream until start is called. stop alone lets it reopen.
	forget() {
		this.#cursor = "";
		this.stop();
	}

	#open() {
		this.stop();
		if (!this.#cursor || document.hidden) return;
		const source = new EventSource(new URL("stream?cursor=" + encodeURIComponent(this.#cursor), base));
		this.#source = source;
		const noted = (act) => (event) => {
			if (this.#source !== source) return;
			if (event.lastEventId) this.#cursor = event.lastEventId;
			act(event);
		};
		source.addEventListener("open", noted(() => { this.#wait = 1000; this.#on.state("live"); }));
		source.addEventListener("entry", noted((event) => this.#on.entry(JSON.parse(event.data))));
		source.addEventListener("clear", noted(() => this.#on.clear()));
		source.addEventListener("reset", noted(() => this.#on.reset()));
		source.addEventListener("end", noted(() => {
			this.stop();
			this.#timer = setTimeout(() => this.#open(), 100); // the new configuration is already there
		}));
		source.addEventListener("error", noted(() => {
			if (source.readyState !== EventSource.CLOSED) {
				this.#on.state("lost"); // EventSource tries again by itself
				return;
			}
			this.#timer = setTimeout(() => this.#open(), this.#wait);
			this.#wait = Math.min(this.#wait * 2, 15000);
			this.#ask(source);
		}));
	}

	// #ask finds out why the stream was refused, because EventSource does not say.
	async #ask(source) {
		const asking = new AbortController();
		try {
			await call(source.url, { signal: asking.signal });
		} catch (error) {
			if (this.#source === source) this.#on.refused(error);
		} finally {
			asking.abort(); // in case the answer is a stream now
		}
	}
}
