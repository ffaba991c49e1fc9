(async () => {
	const { Feed } = await import(new URL("feed.js", document.baseURI));

	// Server answers requests for the list, and sends events, when a scenario says so.
	class Server {
		followed = []; // the cursors of the streams that were opened
		#questions = [];
		#awaited = [];

		constructor() {
			const server = this;
			globalThis.fetch = (url, { signal } = {}) => new Promise((resolve, reject) => {
				if (!new URL(url).pathname.endsWith("/api/entries")) return;
				signal?.addEventListener("abort", () => reject(new Error("aborted")));
				server.#ask({
					search: new URL(url).searchParams,
					answer: (entries, { next = "", cursor = "run-1" } = {}) => resolve({ ok: true, json: async () => ({ entries, next, cursor }) }),
					refuse: (error, code = "bad_request") => resolve({ ok: false, status: 400, json: async () => ({ code, error }) }),
					fail: () => reject(new TypeError("there is no network")),
				});
			});
			globalThis.EventSource = class extends EventTarget {
				static CLOSED = 2;
				readyState = 1;
				constructor(url) { super(); server.stream = this; server.followed.push(url.searchParams.get("cursor")); }
				close() { this.readyState = 2; }
			};
		}

		#ask(question) {
			const awaited = this.#awaited.shift();
			if (awaited) awaited(question);
			else this.#questions.push(question);
		}

		asked() {
			const question = this.#questions.shift();
			return question ? Promise.resolve(question) : new Promise((resolve) => this.#awaited.push(resolve));
		}

		send(name, data = {}) { this.stream.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) })); }
	}

	// open returns a feed that has read a list, its server, and what it has told the page.
	const open = async (filter, entries, page) => {
		const told = { list: [], shown: "", times: 0, states: [], problems: [], held: 0 };
		const server = new Server();
		const feed = new Feed({
			state: (name) => told.states.push(name),
			problem: (text) => told.problems.push(text),
			show: (list) => { told.list = list; told.shown = list.map((e) => e.id).join(" "); told.times++; },
			held: () => told.held++,
			loaded() {}, changed() {}, cleared() {},
		});
		feed.limits = { rejected: 2500, others: 10000 };
		const loaded = feed.load(new URLSearchParams(filter));
		(await server.asked()).answer(entries, page);
		await loaded;
		return { feed, server, told };
	};

	const entry = (n, more = {}) => ({
		id: "run-" + n, version: n, time: new Date(1e12 + n * 1000).toISOString(), outcome: "forwarded", type: "user.created",
		status: 200, message_id: "msg_" + n, reason: "", endpoint: "default", origin: "received", state: "done", ...more,
	});
	const forged = (n) => entry(n, { outcome: "rejected", status: 403, type: "" });
	const soon = () => new Promise((resolve) => setTimeout(resolve)); // after all answers are handled
	const until = async (holds) => { while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5)); };
	const comeBack = () => document.dispatchEvent(new Event("visibilitychange")); // from another tab
	const expect = (got, want) => (got === want ? "" : `got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);

	globalThis.scenarios = {
		"the list continues where it ended": async () => {
			const { feed, server, told } = await open("", [entry(4), entry(3)], { next: "run-3" });
			const more = feed.more();
			const question = await server.asked();
			question.answer([entry(2), entry(1)]);
			await more;
			return expect(told.shown + " before " + question.search.get("before"), "run-4 run-3 run-2 run-1 before run-3");
		},
		"an older page does not bring back cleared entries": async () => {
			const { feed, server, told } = await open("", [entry(4), entry(3)], { next: "run-3" });
			const more = feed.more();
			const question = await server.asked();
			server.send("clear");
			question.answer([entry(2), entry(1)]);
			await more;
			return expect(told.shown, "");
		},
		"a search finds new entries": async () => {
			const { server, told } = await open("text=x", [entry(4)]);
			server.send("entry", entry(5));
			server.send("entry", entry(6));
			(await server.asked()).answer([entry(6)]);
			await soon();
			return expect(told.shown, "run-6 run-4");
		},
		"a search does not bring back cleared entries": async () => {
			const { server, told } = await open("text=x", []);
			server.send("entry", entry(5));
			const question = await server.asked();
			server.send("clear");
			question.answer([entry(5)]);
			await soon();
			return expect(told.shown, "");
		},
		"a pause holds the results of a search": async () => {
			const { feed, server, told } = await open("text=x", []);
			server.send("entry", entry(5));
			const question = await server.asked();
			feed.pause(true);
			question.answer([entry(5)]);
			await soon();
			if (told.shown !== "" || told.held === 0) return `while paused, the list shows ${JSON.stringify(told.shown)}, and the page was told ${told.held} times of held entries`;
			feed.pause(false);
			(await server.asked()).answer([entry(5)]);
			await soon();
			return expect(told.shown, "run-5");
		},
		"a search that fails is repeated": async () => {
			const { server, told } = await open("text=x", []);
			server.send("entry", entry(5));
			(await server.asked()).fail();
			server.send("entry", entry(6));
			const question = await server.asked();
			question.answer([entry(6), entry(5)].filter((e) => e.time >= question.search.get("from")));
			await soon();
			return expect(told.shown, "run-6 run-5");
		},
		"a search leaves entries alone that are older than its answer": async () => {
			const { server, told } = await open("text=x", [entry(5, { state: "pending" })]);
			server.send("entry", entry(5, { version: 2001 }));
			(await server.asked()).answer([entry(2000), entry(1999)], { next: "run-1999" });
			await soon();
			return expect(told.shown, "run-2000 run-1999 run-5");
		},
		"forged deliveries do not push out genuine ones": async () => {
			const { server, told } = await open("", [entry(1)]);
			for (let n = 2; n <= 15000; n++) server.send("entry", forged(n));
			await until(() => told.shown.startsWith("run-15000 "));
			const shown = told.shown.split(" ");
			return shown.at(-1) === "run-1" && shown.length === 2501 ? "" : `${shown.length} entries are shown, the last is ${shown.at(-1)}`;
		},
		"forged deliveries do not push out genuine ones in a pause": async () => {
			const { feed, server, told } = await open("", []);
			feed.pause(true);
			server.send("entry", entry(1));
			for (let n = 2; n <= 40000; n++) server.send("entry", forged(n));
			feed.pause(false);
			return told.shown.endsWith(" run-1") ? "" : "the genuine one is not shown";
		},
		"a pause shows nothing until it ends": async () => {
			const { feed, server, told } = await open("", [entry(1)]);
			server.send("entry", entry(2));
			feed.pause(true);
			server.send("entry", entry(3));
			const times = told.times;
			await new Promise((resolve) => setTimeout(resolve, 60)); // twice the time in which changes are collected
			if (told.times !== times) return "the list changed in the pause";
			feed.pause(false);
			return expect(told.shown, "run-3 run-2 run-1");
		},
		"a pause counts the entries that it holds": async () => {
			const { feed, server, told } = await open("type=user.*", []);
			feed.pause(true);
			server.send("entry", entry(1));
			server.send("entry", entry(2, { type: "session.created" }));
			server.send("entry", forged(3));
			await until(() => told.held > 0);
			return feed.waiting === 1 ? "" : `it counts ${feed.waiting}`;
		},
		"a pause does not count entries that only the server can match": async () => {
			const { feed, server, told } = await open("text=x", []);
			feed.pause(true);
			server.send("entry", entry(1));
			await until(() => told.held > 0);
			return feed.waiting === 0 ? "" : `it counts ${feed.waiting}`;
		},
		"a flood in a pause is reported once for many entries": async () => {
			const { feed, server, told } = await open("", []);
			feed.pause(true);
			for (let n = 1; n <= 1000; n++) server.send("entry", entry(n));
			await until(() => told.held > 0);
			return told.held === 1 ? "" : `it is reported ${told.held} times`;
		},
		"the page shows an invalid filter and that there are no updates": async () => {
			const { feed, server, told } = await open("", [entry(1)]);
			server.send("open");
			const loading = feed.load(new URLSearchParams("type=§"));
			(await server.asked()).refuse("type: no such pattern");
			await loading;
			const got = told.states.join(" ") + ": " + told.problems.join();
			return server.stream.readyState === 2 && got === "live stopped: type: no such pattern" ? "" : `the page is told ${got}`;
		},
		"an invalid filter gets no updates after a visit to another tab": async () => {
			const { feed, server } = await open("", [entry(1)], { cursor: "run-7" });
			const loading = feed.load(new URLSearchParams("type=§"));
			const question = await server.asked();
			comeBack();
			question.refuse("type: no such pattern");
			await loading;
			comeBack();
			const times = server.followed.filter((cursor) => cursor === "run-7").length;
			return times === 1 ? "" : `the stream of the list before it was opened ${times} times`;
		},
		"the page shows why a list is refused until it is read": async () => {
			const { feed, server, told } = await open("", [entry(1)]);
			const wait = globalThis.setTimeout;
			globalThis.setTimeout = (act) => wait(act); // makes the next try immediate
			feed.load();
			(await server.asked()).refuse("set allow_remote", "forbidden");
			(await server.asked()).fail();
			(await server.asked()).refuse("out of memory", "internal");
			(await server.asked()).answer([entry(2)]);
			await until(() => told.shown === "run-2");
			globalThis.setTimeout = wait;
			const got = `${told.states.join(" ")}: ${told.problems.join(", ")}`;
			return got === "failed lost failed: set allow_remote, , out of memory" ? "" : `the page is told ${got}`;
		},
		"each value of a parameter selects its deliveries": async () => {
			const filter = "reason=done&reason=in_progress&endpoint=a&endpoint=b&origin=received&origin=replay";
			const { server, told } = await open(filter, []);
			server.send("entry", entry(1, { reason: "done", endpoint: "a", origin: "received" }));
			server.send("entry", entry(2, { reason: "in_progress", endpoint: "b", origin: "replay" }));
			for (const [n, other] of [{ reason: "" }, { endpoint: "c" }, { origin: "example" }].entries()) {
				server.send("entry", entry(3 + n, { reason: "done", endpoint: "a", origin: "received", ...other }));
			}
			await until(() => told.times > 1);
			return expect(told.shown, "run-2 run-1");
		},
		"an older version of an entry changes nothing": async () => {
			const { server, told } = await open("type=user.*", [entry(1, { version: 9 })]);
			server.send("entry", entry(1, { version: 8, status: 503 }));
			server.send("entry", entry(2));
			await until(() => told.shown.includes("run-2"));
			return expect(`${told.shown} ${told.list[1]?.status}`, "run-2 run-1 200");
		},
	};
	return Object.keys(scenarios);
})()
