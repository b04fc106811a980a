"use strict";
// The page computes one state from the events up to a moment, and draws that state.
// So going back needs no undo: it is the same computation with fewer events.

// ---- the state -------------------------------------------------------------

const fresh = () => ({ fds: {}, listener: 0, clients: {}, sample: {}, sampleAt: 0 });

// step returns the state after an event. It may change s, and nothing else. The
// server does the same: see step in story.go.
function step(s, e) {
  if (e.k === "key") s = structuredClone(e.state);
  if (e.server) {
    if (s.server?.run !== e.server.run) s = { ...fresh(), clients: s.clients, crowd: s.crowd };
    s.server = e.server;
    if (e.server.is === "ended") Object.assign(s, { inside: undefined, fds: {}, sample: {} });
  }
  for (const fd in e.fds) {
    if (e.fds[fd]) s.fds[fd] = e.fds[fd];
    else delete s.fds[fd];
  }
  if (e.listener) s.listener = e.listener;
  if (e.k === "enter") {
    s.inside = e;
    if (e.asked) Object.assign(s, { asked: e.asked, ready: undefined });
  } else if (e.k === "call") {
    s.last = e;
    if (e.slept !== undefined) s.inside = undefined;
    if (e.ready) s.ready = e.ready;
  } else if (e.k === "seen") s.inside = e.inside;
  else if (e.k === "gap") Object.assign(s, { inside: e.inside, asked: e.asked, ready: undefined });
  if (e.client?.gone) delete s.clients[e.client.id];
  else if (e.client) s.clients[e.client.id] = e.client;
  if (e.crowd) s.crowd = e.crowd;
  if (e.k === "sample") {
    s.sampleAt = e.to ?? e.at;
    Object.assign(s.sample, e.sample);
  }
  s.at = e.to ?? e.at;
  return s;
}

const most = 50000; // events kept
let events = [], rows = [], notes = [], end = fresh();

// stateAt computes the state after event number n, from the last key before it.
let memo = { n: -1 };
function stateAt(n) {
  const first = events[0].n;
  let from = n - first;
  while (from > 0 && events[from].k !== "key" && !(memo.n === first + from)) from--;
  let s = memo.n === first + from ? memo.s : step(fresh(), events[from]);
  while (first + from < n) s = step(s, events[++from]);
  memo = { n, s };
  return s;
}

// take adds new events, and their rows to the timeline.
function take(list) {
  for (const e of list) {
    const last = events.at(-1);
    if (last && e.n === last.n) events[events.length - 1] = e; // the same sample, lasting longer
    else {
      if (last && e.n !== last.n + 1) forget(); // the server has dropped those between
      events.push(e);
    }
    const closes = e.call === "close" ? nameOf(end, e.arg) : undefined;
    end = step(end, e);
    if (last?.n !== e.n) addRow(e, closes);
  }
  if (events.length > most) {
    const next = events.findIndex((e, i) => i > 0 && e.k === "key");
    if (next > 0) events.splice(0, next);
    while (rows.length && rows[0].n < events[0].n) rows.shift();
  }
}

function forget() {
  events = [];
  rows = [];
  notes = [];
  end = fresh();
  memo = { n: -1 };
}

// addRow adds an event's row to the timeline, if it has one.
function addRow(e, closes) {
  if (e.k === "note") notes.push(e);
  const last = rows.at(-1);
  const row = { n: e.n, at: e.at, kind: e.k, e, who: e.client?.id };
  if (e.k === "again" || e.k === "call" && e.errno === "EAGAIN" && e.slept === undefined) {
    const times = e.k === "again" ? e.count : 1;
    if (last?.kind === "again") {
      last.times += times;
      last.only = undefined;
      return;
    }
    Object.assign(row, { kind: "again", times, only: e.call && `${e.call}(${e.arg}) = EAGAIN  ${e.words}` });
  } else if (e.k === "call") row.who = closes ?? nameOf(end, e.call === "accept" && e.result !== undefined ? e.result : e.fd || e.arg);
  else if (!["gap", "log", "dropped", "act", "server", "note"].includes(e.k)) return;
  rows.push(row);
}

// ---- words -------------------------------------------------------------------

const number = (n) => Number(n).toLocaleString("en");
function bytes(n) {
  if (n === undefined || n < 0) return "?";
  if (n < 10000) return number(n) + " B";
  return n < 1 << 20 ? (n / 1024).toFixed(0) + " KiB" : (n / (1 << 20)).toFixed(2) + " MiB";
}
function duration(ms) {
  if (ms < 1) return Math.max(0, ms * 1000).toFixed(0) + " µs";
  return ms < 1000 ? ms.toFixed(0) + " ms" : (ms / 1000).toFixed(1) + " s";
}
const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
const list = (names) => (names.length < 2 ? names.join("") : names.slice(0, -1).join(", ") + " and " + names.at(-1));
const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const text = (s) => String(s ?? "").replace(/[&<>"]/g, (c) => escapes[c]);

// span turns "7-9,12" into [[7, 9], [12, 12]].
const span = (ranges) => (ranges ? ranges.split(",") : []).map((r) => r.split("-").map(Number)).map(([a, b]) => [a, b ?? a]);
const within = (ranges, n) => span(ranges).some(([a, b]) => a <= n && n <= b);
const size = (ranges) => span(ranges).reduce((sum, [a, b]) => sum + b - a + 1, 0);

// nameOf returns the letter of the client on a descriptor, undefined if none is drawn.
function nameOf(s, fd) {
  const port = s.fds[fd]?.port;
  return port ? Object.values(s.clients).find((c) => c.port === port)?.id : undefined;
}

function callText(e) {
  let t = `${e.call}(${e.arg}) = ${e.errno ?? e.result}`;
  if (["select", "epoll_wait", "kevent"].includes(e.call) && e.errno === undefined) t += " ready" + readyText(e.ready);
  if (e.words) t += "  " + e.words;
  return e.slept >= 10 ? t + `  after ${duration(e.slept)}` : t;
}
const readyText = (r) => (!r ? "" : (r.read ? `  read ${r.read}` : "") + (r.write ? `  write ${r.write}` : ""));

function rowText(r) {
  const e = r.e;
  switch (r.kind) {
    case "call": return callText(e);
    case "again": return r.only ?? `… ${plural(r.times, "call")} returned EAGAIN`;
    case "gap": return `… ${plural(e.count, "object")} left out: too many to show. From here on the picture is exact again.`;
    case "dropped": return `… ${plural(e.count, "line")} lost: nobody was reading`;
    case "note": return "— " + e.text;
    case "act": return (e.client ? e.client.id + " " : "") + e.text;
    case "server": return { starts: "the server starts", runs: "the server is running", stops: "SIGTERM sent to the server",
      stopped: "the server is frozen: SIGSTOP", ended: "the server has ended: " + e.server.how }[e.server.is];
  }
  return e.text;
}

// ---- who waits ---------------------------------------------------------------

const fdOf = (s, c) => Object.keys(s.fds).find((fd) => s.fds[fd].port === c.port && c.run === s.server?.run);
const owed = (s, c) => { const d = s.fds[fdOf(s, c)]; return d ? (d.read ?? 0) - (d.written ?? 0) : 0; };

// clientWaits returns what a client waits for, or "".
function clientWaits(s, c) {
  const p = s.sample.pipes?.[c.id];
  if (isOver(s, c)) return "";
  if (p?.queued) return "waits to be accepted";
  if (c.left && !c.floods) return `waits to send ${bytes(c.left)}`;
  if (c.floods && s.inside?.call === "write" && fdOf(s, c) == s.inside.arg) return "cannot send more";
  if (c.sent > c.got && !c.deaf) return `waits for ${bytes(c.sent - c.got)}`;
  return "";
}

// doing describes what the server does: the call, how, for whom, and whether it waits.
function doing(s, at) {
  const v = s.server, q = s.sample;
  if (!v || v.is === "starts") return ["…", "starting", ""];
  if (v.is === "ended") return ["ended", v.how, (v.said?.length ? "Its last words: " + v.said.join(" · ") : "It said nothing.")];
  if (v.is === "stopped") return ["frozen", "by SIGSTOP", "No call returns. The kernel carries on without it.", true];
  let queued = Object.values(s.clients).filter((c) => q.pipes?.[c.id]?.queued).map((c) => c.id);
  if (queued.length > 4) queued = [plural(queued.length, "client")];
  if (q.idle?.queued) queued.push(plural(q.idle.queued, "idle client"));
  const inside = s.inside;
  if (!inside) return ["awake", q.rate ? `${q.over ? "over " : ""}${number(q.rate)} calls a second` : "", awake(s)];
  const name = inside.call + "(" + inside.arg + ")", how = inside.since ? "asleep for " + duration(at - inside.since) : "asleep when last sampled";
  const one = nameOf(s, inside.arg) ?? (s.fds[inside.arg]?.port ? "an idle client" : "a client");
  const also = queued.length ? `${list(queued)} ${/^\w$|^1 [^,]*$/.test(list(queued)) ? "waits" : "wait"} for ${one}.` : "Nobody else is waiting.";
  switch (inside.call) {
    case "accept": return [name, how, "It waits for a client to connect.", true];
    case "poll": return [name, how, "It waits for any of the descriptors it named.", true];
    case "recv":
    case "read": return [name, how, `It waits for ${one} to send something. ${also}`, true];
    case "send":
    case "write": return [name, how, `It waits for ${one} to read. ${also}`, true];
    case "select": return !s.asked ? [name, how, "It waits for any bit in its sets.", true] : [name, how, `It waits for any of ${number(size(s.asked?.read) + size(s.asked?.write))} bits, and for no one in particular.`, true];
  }
  const n = Object.values(s.fds).filter((d) => d.reg && d.reg !== "-").length;
  return [name, how, `It waits for any of ${number(n)} registrations, and for no one in particular.`, true];
}

function awake(s) {
  if (about.asks === "unknown") return "None of its threads is asleep in a call on a socket.";
  if (about.asks !== "nothing") return "It is at work between two calls.";
  return about.name.startsWith("02") ? "It never sleeps: it asks each descriptor, again and again. It waits for nobody, and burns a core." : "It is at work.";
}

// agreed says whether the kernel, too, shows a thread in the reported call.
function agreed(s) {
  const q = s.sample;
  if (q.asleepError) return "Cross-check: " + q.asleepError;
  if (!s.inside?.since || s.server?.is !== "runs" || s.sampleAt < s.inside.since + 1) return "";
  const name = s.inside.call === "kevent" ? "" : `${s.inside.call}(${s.inside.arg})`;
  return q.asleep?.includes(name) ? `The kernel shows a thread in ${name}, too.` : `The kernel showed no thread in ${name} just then.`;
}

// ---- drawing -------------------------------------------------------------------

const $ = (id) => document.getElementById(id);

// put makes a node's children match html, and reuses the existing ones, so that focus,
// typed text and animations survive.
function put(node, html) {
  if (node.drawn === html) return;
  node.drawn = html;
  const t = document.createElement("template");
  t.innerHTML = html;
  children(node, t.content);
}
function children(old, now) {
  const byID = new Map([...old.children].filter((c) => c.id).map((c) => [c.id, c]));
  let at = old.firstChild;
  for (const n of [...now.childNodes]) {
    const same = n.id ? byID.get(n.id) : at && !at.id && at.nodeName === n.nodeName ? at : undefined;
    if (!same) {
      old.insertBefore(n, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    become(same, n);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
function become(old, now) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  children(old, now);
}

let about = { steps: [], sources: {} }, chosen = "", tryAt = 0, file = "", moment = null, marked = "", lost = false;

const button = (label, does, { id = "", off = false, on, title = "" } = {}) =>
  `<button type="button" data-do="${does}"${id && ` data-id="${id}"`}${off ? " disabled" : ""}${on === undefined ? "" : ` aria-pressed="${on}"`}${title && ` title="${title}"`}>${label}</button>`;
const name = (id, waits) => `<span class="name${waits ? " waits" : ""}">${text(id)}</span>`;
// A bar is logarithmic: a full one is 8 MiB, and a single byte is visible.
const bar = (n) => `<svg class="bar" aria-hidden="true"><rect width="${n > 0 ? (4 + 96 * Math.min(1, Math.log2(n) / 23)).toFixed(1) : 0}%"></rect></svg>`;
const queue = (label, n) => `<div class="end"><span>${label}</span>${bar(n)}<b${n > 0 ? ' class="waits"' : ""}>${bytes(n)}</b></div>`;

function drawHeader(s) {
  const v = s.server ?? {}, over = v.is === "ended";
  put($("name"), text(about.name));
  if (tapes) {
    put($("status"), "recorded from the real server");
    put($("power"), tapes.tapes.map((t, i) => `<button data-tape="${i}" aria-pressed="${t.about.name === about.name}">${t.about.name.slice(0, 2)}</button>`).join(""));
    return;
  }
  put($("status"), lost ? "the watch has ended: start it again in the terminal" : `${over ? "ended" : v.is ?? ""} · pid ${v.pid ?? ""} · ${v.addr ?? ""}`);
  put($("power"), over ? button("Start again", "start") :
    button(v.is === "stopped" ? "Resume (SIGCONT)" : "Freeze (SIGSTOP)", v.is === "stopped" ? "cont" : "stop", { title: "Lets you send several things before it reads" }) +
    button(v.is === "stops" ? "SIGTERM again" : "SIGTERM", "term"));
}

function drawTry() {
  const t = about.steps?.[tryAt], note = tapes && (notes.findLast((e) => e.n <= momentEnd()) ?? { text: "" });
  if (note) put($("try"), `<p><b>${text(note.text)}</b><br><span>Try it yourself: <code>go run ./client watch ${about.name.slice(0, 2)}</code></span></p>`);
  if (!t || note) return;
  put($("try"), `<button data-try="-1" aria-label="Previous step"${tryAt ? "" : " disabled"}>‹</button><p><b>Try this, ${tryAt + 1} of ${about.steps.length}: ${text(t.do)}</b><br><span>${text(t.look)}</span></p>
    <button data-try="1" aria-label="Next step"${tryAt + 1 < about.steps.length ? "" : " disabled"}>›</button>`);
}

function drawHeads(s) {
  const clients = Object.values(s.clients), q = s.sample;
  const queued = clients.filter((c) => q.pipes?.[c.id]?.queued).map((c) => name(c.id, true));
  if (q.idle?.queued) queued.push(name(number(q.idle.queued) + " idle", true));
  if (q.other?.queued) queued.push(name(number(q.other.queued) + " from elsewhere", true));
  const full = clients.length >= about.drawn || s.server?.is === "ended";
  const what = q.queuesError ? text(q.queuesError) : q.queue ? `<b class="waits">${number(q.queue)}</b> ${queued.join("")}` : "empty";
  put($("heads"), `<div><h2>Clients</h2>${tapes ? "" : button("+ client", "add", { off: full }) + button("+ 100 idle", "idle-100") + button("+ 1,000", "idle-1000", { title: "1,000 idle clients" })}</div>
    <div><h2>The kernel</h2><div id="queue"><span class="label">accept queue of ${s.listener}:</span> ${what}</div></div>`);
}

function drawLanes(s) {
  const clients = Object.values(s.clients).sort((a, b) => (a.id < b.id ? -1 : 1));
  let html = clients.map((c) => lane(s, c)).join("");
  if (s.crowd?.open || s.crowd?.ended) html += crowdLane(s);
  const legend = `<div class="row legend" aria-hidden="true"><span class="who"></span><div class="pipe"><span>at the client</span><span></span><span>at the server</span><span></span></div></div>`;
  put($("lanes"), html ? legend + html : `<p class="empty">Nobody is connected. Add a client.</p>`);
}

function lane(s, c) {
  const p = s.sample.pipes?.[c.id] ?? {}, waits = clientWaits(s, c), fd = c.over ? undefined : fdOf(s, c), d = s.fds[fd];
  const gone = isOver(s, c), held = p.queued;
  const state = gone ? c.over : waits || (c.deaf ? "is not reading" : c.half ? "has half-closed" : "");
  const both = [p.client, p.server].filter(Boolean), quiet = chosen !== c.id && both.every((e) => e === "ESTABLISHED");
  const ends = quiet ? "" : [...new Set(both)].join("<br>");
  if (gone && !(p.receive > 0 || p.reply > 0)) return overLane(c, gone);
  const tall = chosen === c.id || Object.keys(s.clients).length <= 4; // room for what was sent and what came
  return `<article class="lane${chosen === c.id ? " chosen" : ""}${moment !== null && rows[momentRow()]?.who === c.id ? " marked" : ""}${gone ? " over" : ""}" id="lane-${c.id}"><div class="row">
    <button class="who" data-choose="${c.id}" aria-pressed="${chosen === c.id}" aria-label="Client ${c.id}, port ${c.port}, ${text(state)}">${name(c.id, waits)}
      <span${waits ? ' class="waits"' : ""}>${text(state) || "&nbsp;"}</span><small>:${c.port}</small>
      <small class="more">sent ${bytes(c.sent)}${tall ? quoted(c.out) + `</small>
      <small class="more">` : " · "}got ${bytes(c.got)}${c.frames ? ` in ${plural(c.frames, "frame")}` : ""}${tall ? quoted(c.in) : ""}</small></button>
    <div class="pipe">${queue("send", p.send)}<span class="arrow">→</span>${queue("receive", p.receive)}
      <div class="fd">${fdText(s, fd, d, held, gone)}${ends ? `<br><small>${ends}</small>` : ""}</div>
      ${queue("receive", p.take)}<span class="arrow">←</span>${queue("send", p.reply)}
      <i class="dot sent"></i><i class="dot read"></i><i class="dot written"></i><i class="dot got"></i></div></div>
    ${chosen === c.id && !tapes ? deeds(c) : ""}</article>`;
}

const quoted = (s) => (s ? ` <span class="mono">${text(s)}</span>` : "");

// isOver returns why a connection is over; a client that does not read has not noticed.
const isOver = (s, c) => c.over || (s.server?.is === "ended" || s.server?.run !== c.run ? "its server has ended" : "");
function overLane(c, why) {
  return `<article class="lane over" id="lane-${c.id}"><div class="row"><div class="who">${name(c.id)}<span>${text(why)}</span><small>:${c.port}</small></div>
    <small>sent ${bytes(c.sent)}, got ${bytes(c.got)}</small><span class="away">${tapes ? "" : button("Remove", "remove", { id: c.id })}</span></div></article>`;
}

function fdText(s, fd, d, held, gone) {
  if (gone) return `<small>gone</small>`;
  if (held) return `<span class="waits">in the<br>accept queue</span>`;
  if (!d) return "";
  const unsent = (d.read ?? 0) - (d.written ?? 0);
  return `descriptor <b>${fd}</b>` + (unsent > 0 ? `<br><span class="waits">holds ${bytes(unsent)}</span>` : "");
}

function deeds(c) {
  const b = (label, does, o = {}) => button(label, does, { id: c.id, ...o });
  return `<form class="deeds" data-send="${c.id}"><input aria-label="Line to send from ${c.id}" placeholder="${about.framed ? "a frame" : "a line"}" maxlength="1000" autocomplete="off"${c.half ? " disabled" : ""}>
    <button${c.half ? " disabled" : ""}>Send</button>${b("1 MiB", "mib", { off: c.half })}${b("Flood", c.floods ? "calm" : "flood", { on: !!c.floods, off: c.half })}
    ${b("Stop reading", c.deaf ? "hear" : "deaf", { on: !!c.deaf })}${about.framed ? b("½ frame", "half-frame", { off: c.half }) + b("Too long", "too-long", { off: c.half }) : ""}
    ${b("Half-close", "end", { off: c.half })}${b("Close", "close")}${b("Reset", "reset")}</form>`;
}

function crowdLane(s) {
  const m = s.sample.idle ?? {}, c = s.crowd;
  return `<article class="lane" id="lane-idle"><div class="row"><div class="who">${name("…", m.queued)}<span><b>${plural(c.open, "idle client")}</b></span><span></span>
    <small class="more">${c.ended ? `<span class="waits">${number(c.ended)} ${s.server?.is === "ended" ? "ended with" : "turned away by"} the server</span>` : "connected and silent"}</small></div>
    <div class="pipe"><span class="label">${m.queued ? `<span class="waits">${number(m.queued)} in the accept queue</span>` : m.unread ? `${bytes(m.unread)} unread` : "their queues are empty"}</span><span></span><span></span>
    <div class="fd">${tapes ? "" : button("Leave", "idle-leave")}</div></div></div></article>`;
}

// asks shows what the server asks the kernel about, and its descriptors by number.
const asksTitle = {
  nothing: { "01": "Nothing is registered: it calls, and sleeps until that descriptor is ready", "02": "Nothing is registered: it calls each descriptor, and gets EAGAIN" },
  unknown: "Its sockets, and what is registered with epoll",
  select: "It asks select about every descriptor, every time: 1,024 bits", register: "It registered each descriptor once",
};
function drawAsks(s) {
  const title = asksTitle[about.asks]?.[about.name.slice(0, 2)] ?? asksTitle[about.asks];
  let html = `<h2>${title}</h2>`;
  if (about.asks === "select") html += bits(s);
  put($("asks"), html + `<div class="chips" role="group" aria-label="Descriptors">${chips(s)}</div>`);
}

function bits(s) {
  const cells = (ranges) => span(ranges).flatMap(([a, b]) => Array.from({ length: b - a + 1 }, (_, i) => a + i))
    .map((n) => `M${n % 64} ${n >> 6}h.88v.8h-.88z`).join("");
  const r = s.inside?.call === "select" ? {} : s.ready ?? {};
  const words = !s.asked ? "not known: left out; the next select will show it" : `read set ${s.asked.read || "empty"} · write set ${s.asked.write || "empty"}` + (r.read || r.write ? ` · returned:${readyText(r)}` : "");
  return `<svg class="bits" viewBox="-.3 -.3 64.6 16.4" preserveAspectRatio="none" role="img" aria-label="${words}"><path class="read" d="${cells(s.asked?.read)}"></path>
    <path class="write" d="${cells(s.asked?.write)}"></path><path class="ready" d="${cells(r.read)}${cells(r.write)}"></path></svg><small>${words}</small>`;
}

function chips(s) {
  const all = Object.entries(s.fds).map(([fd, d]) => ({ fd: +fd, who: whoHas(s, +fd, d), d }));
  for (const [fd, what] of Object.entries(s.sample.files ?? {})) if (!s.fds[fd]) all.push({ fd: +fd, who: what.replace(/^.*\/|anon_inode:|:\[\d+\]$/g, ""), own: true });
  all.sort((a, b) => a.fd - b.fd);
  const groups = [];
  for (const c of all) {
    c.look = [c.who, c.d?.reg, ready(s, c.fd), c.who === "idle" ? "" : c.d?.no].join();
    const g = groups.at(-1);
    if (g?.look === c.look && g.to === c.fd - 1 && c.who === "idle") g.to = c.fd;
    else groups.push({ ...c, to: c.fd });
  }
  const asked = marked && +marked;
  return groups.filter((g) => !g.own).map((g) => {
    const cls = ready(s, g.fd) ? " ready" : s.inside?.arg === g.fd && ["read", "write", "accept"].includes(s.inside.call) ? " held" : "";
    const reg = g.d.reg ? ` <i>${{ r: "read", w: "write", rw: "read, write", "-": "nothing" }[g.d.reg]}</i>` : "";
    const no = g.d.no && about.name.startsWith("02") ? ` <i>${number(g.d.no)} × no</i>` : "";
    return `<span class="chip${cls}${asked >= g.fd && asked <= g.to ? " marked" : ""}"><b>${g.fd}${g.to > g.fd ? "–" + g.to : ""}</b> ${text(g.who)}${reg}${no}</span>`;
  }).join("") + `<span class="chip"><i>${groups.filter((g) => g.own).map((g) => g.fd + " " + text(g.who)).join(", ") || "others: " + text(s.sample.filesError ?? "…")}</i></span>`;
}
const ready = (s, fd) => !(s.inside && !["read", "write", "accept"].includes(s.inside.call)) && (within(s.ready?.read, fd) || within(s.ready?.write, fd));
function whoHas(s, fd, d) {
  if (fd === s.listener) return "listener";
  if (d.port) return nameOf(s, fd) ?? "idle";
  return "the loop's own pipe";
}

function drawServer(s, at) {
  const [call, how, who, waits] = doing(s, at), q = s.sample;
  $("now").className = waits ? "waits" : "";
  put($("now"), `<span class="call${waits ? " waits" : ""}">${text(call)}</span><span class="how${waits ? " waits" : ""}">${text(how)}</span><p>${text(who)}</p><small>${text(agreed(s))}</small>`);
  const cpu = q.cpu ?? 0;
  put($("meters"), `<div><dt>CPU</dt><dd><svg class="bar" aria-hidden="true"><rect width="${Math.min(100, cpu)}%"></rect></svg> ${q.cpu === undefined ? "…" : cpu + " %"}</dd></div>
    <div><dt>memory</dt><dd>${q.memory ? (q.memory / (1 << 20)).toFixed(1) + " MiB" : "…"}</dd></div>
    <div><dt>calls/s while narrated</dt><dd>${about.asks === "unknown" ? "unknown" : q.rate === undefined ? "…" : (q.over ? "over " : "") + number(q.rate)}</dd></div>
    <div><dt>descriptors</dt><dd>${number(Object.keys(s.fds).length + Object.keys(q.files ?? {}).filter((fd) => !s.fds[fd]).length)}</dd></div>`);
}

// drawSource shows the file of a call, with its line marked.
function drawSource(call, waits) {
  const shown = file || (about.sources?.[call?.file] ? call.file : "server.go");
  $("source-of").hidden = !about.sources;
  if (!about.sources?.[shown]) return put($("source"), "Its calls and its source are not known: only a rung reports them.");
  put($("files"), `<option value="">${file ? "the call's file" : shown}</option>` + Object.keys(about.sources).sort().map((f) => `<option>${f}</option>`).join(""));
  const source = $("source");
  if (source.shown !== shown) {
    source.shown = shown;
    source.line = 0;
    source.innerHTML = about.sources[shown].trimEnd().split("\n").map((l) => `<span>${text(l)}</span>`).join("");
  }
  const line = call?.file === shown ? call.line : 0;
  if (source.line !== line || source.waits !== waits) {
    source.querySelector(".marked")?.removeAttribute("class");
    const mark = source.children[line - 1];
    if (mark) {
      mark.className = "marked" + (waits ? " waits" : "");
      if (source.line !== line) source.scrollTop = mark.offsetTop - source.offsetTop - source.clientHeight / 2;
    }
    Object.assign(source, { line, waits });
  }
}

const shownRows = 7;
function drawTimeline(s) {
  const at = moment === null ? rows.length - 1 : momentRow();
  const from = Math.max(0, Math.min(at - (moment === null ? shownRows - 1 : 4), rows.length - shownRows));
  const html = rows.slice(from, from + shownRows).map((r, i) => {
    const kind = { act: "act", again: "folded", gap: "folded", dropped: "folded", log: "said", note: "said", server: "act" }[r.kind] ?? "";
    return `<li><button class="${kind}" data-row="${from + i}"${moment !== null && from + i === at ? ' aria-current="true"' : ""}><time>${(r.at / 1000).toFixed(3)} s</time><span>${r.who ? name(r.who) : ""}</span><span class="text">${text(rowText(r))}</span><span></span></button></li>`;
  });
  if (moment === null && s.inside && s.server?.is === "runs") {
    if (html.length === shownRows) html.shift();
    html.push(`<li><button data-row="${rows.length - 1}" class="asleep"><time></time><span></span><span class="text">${s.inside.call}(${s.inside.arg}) …</span><span></span></button></li>`);
  }
  put($("calls"), html.join(""));
  const slider = $("slider");
  slider.max = Math.max(0, rows.length - 1);
  slider.value = at;
  const age = s.at - s.sampleAt;
  put($("when"), moment === null ? `${(s.at / 1000).toFixed(2)} s` : `${(s.at / 1000).toFixed(2)} of ${(end.at / 1000).toFixed(2)} s, queues ${age < 1 ? "just then" : duration(age) + " earlier"}`);
  put($("live"), tapes ? (playing ? "Pause" : "Play") : "Live");
  $("live").setAttribute("aria-pressed", tapes ? !!playing : moment === null);
}

// momentRow finds the row of the moment shown: its index moves as old rows are dropped.
function momentRow() {
  let at = rows.findLastIndex((r) => r.n <= moment);
  return Math.max(0, at);
}

// shownState returns the state shown: everything up to the next row.
function shownState() {
  return moment === null ? end : stateAt(momentEnd());
}
function momentEnd() {
  const next = rows[momentRow() + 1];
  return next ? next.n - 1 : events.at(-1).n;
}

let before = null, drawnAt = 0, drawnN = 0;
function draw() {
  if (!events.length) return;
  const s = shownState(), row = moment === null ? undefined : rows[momentRow()];
  const at = moment === null && !lost ? Math.max(s.at, clock()) : s.at;
  marked = row ? String(row.e.fd || row.e.arg || "") : "";
  drawHeader(s);
  drawTry();
  drawHeads(s);
  drawLanes(s);
  drawAsks(s);
  drawServer(s, at);
  const call = row?.e.call ? row.e : s.inside ?? s.last;
  drawSource(call, !!s.inside && call === s.inside);
  drawTimeline(s);
  const n = moment ?? Infinity;
  move(s, n >= drawnN);
  drawnN = n;
  drawnAt = performance.now();
}

// ---- motion: bytes moving from queue to queue --------------------------------------

const still = matchMedia("(prefers-reduced-motion: reduce)");
const ways = { sent: [8, 56], read: [60, 96], written: [96, 60], got: [40, 8] };

// move sends a dot wherever a count has grown since the last drawing.
function move(s, forward) {
  const counts = {};
  for (const c of Object.values(s.clients)) {
    const d = s.fds[fdOf(s, c)] ?? {};
    counts[c.id] = { port: c.port, sent: c.sent, got: c.got, read: d.read ?? 0, written: d.written ?? 0 };
    const b = before?.[c.id];
    if (!b || !forward || b.port !== c.port || still.matches || document.hidden) continue;
    for (const way in ways) if (counts[c.id][way] > b[way]) fly(c.id, way);
  }
  before = counts;
}
function fly(id, way) {
  const dot = document.querySelector(`#lane-${id} .dot.${way}`);
  if (!dot || dot.getAnimations().length) return;
  const [from, to] = ways[way];
  dot.animate([{ left: from + "%", opacity: 1 }, { left: to + "%", opacity: 1, offset: 0.85 }, { left: to + "%", opacity: 0 }], { duration: 420, easing: "ease-in-out" });
}

// ---- what the user does -------------------------------------------------------------

async function order(what) {
  const error = $("error");
  error.textContent = "";
  moment = null;
  try {
    const r = await fetch("do", { method: "POST", headers: { "X-Token": document.querySelector("meta[name=token]").content }, body: JSON.stringify(what) });
    if (!r.ok) error.textContent = await r.text();
  } catch {
    error.textContent = "The watch does not respond.";
  }
}

function go(where) {
  if (tapes && where === "live") return play();
  clearInterval(playing);
  playing = 0;
  const at = moment === null ? rows.length - 1 : momentRow();
  if (where === "live") moment = moment === null && rows.length ? rows.at(-1).n : null;
  else if (rows.length) moment = rows[Math.max(0, Math.min(rows.length - 1, { first: 0, last: rows.length - 1, back: at - 1, on: at + 1 }[where] ?? where))].n;
  draw();
}

addEventListener("click", (event) => {
  const b = event.target.closest("button");
  if (!b) return;
  const d = b.dataset;
  if (d.do) order({ do: d.do, id: d.id });
  else if (d.choose) chosen = chosen === d.choose ? "" : d.choose;
  else if (d.try) tryAt += +d.try;
  else if (d.go) return go(d.go);
  else if (d.tape) return tape(+d.tape);
  else if (d.row) return go(+d.row);
  draw();
});
addEventListener("submit", (event) => {
  event.preventDefault();
  const input = event.target.querySelector("input");
  order({ do: "send", id: event.target.dataset.send, text: input.value });
  input.value = "";
});
$("files").addEventListener("change", (event) => {
  file = event.target.value; // empty: the call's file
  draw();
});
$("slider").addEventListener("input", (event) => go(+event.target.value));
$("calls").addEventListener("wheel", (event) => {
  event.preventDefault();
  go((moment === null ? rows.length - 1 : momentRow()) + Math.sign(event.deltaY) * 2);
}, { passive: false });
addEventListener("keydown", (event) => {
  if (event.target.closest("input, pre, select") || event.ctrlKey || event.altKey || event.metaKey) return;
  const to = { ArrowLeft: "back", ArrowUp: "back", ArrowRight: "on", ArrowDown: "on", Home: "first", End: "last" }[event.key];
  if (!to && !(event.key === " " && !event.target.closest("button"))) return;
  event.preventDefault();
  go(to ?? "live");
});

// ---- live -------------------------------------------------------------------------------

// clock returns the current time, on the clock of the events.
let ahead = 0;
const clock = () => performance.now() + ahead;

let due = false;
function soon() {
  if (due) return;
  due = true;
  setTimeout(() => requestAnimationFrame(() => {
    due = false;
    draw();
  }), Math.max(0, 60 - (performance.now() - drawnAt)));
}

// ---- recorded -----------------------------------------------------------------------------

// tapes exist only in the page that needs no server: see Page in publish.go.
const tapes = JSON.parse($("tapes")?.textContent ?? "null");
let playing = 0;

// tape shows a recording, at the moment that shows its wall best.
function tape(i) {
  clearInterval(playing);
  playing = 0;
  forget();
  const { about: a, key, events: all } = tapes.tapes[i];
  about = { ...a, sources: Object.fromEntries(Object.entries(a.sources).map(([name, n]) => [name, tapes.texts[n]])) };
  document.title = `tcpladder: ${about.name}, recorded`;
  take(all);
  moment = key;
  tape.seen = false;
  history.replaceState(null, "", "#" + about.name.slice(0, 2));
  draw();
}

// play replays at the original speed, but never waits long for the next call.
function play() {
  const step = 60, pause = 1500, last = rows.length - 1;
  clearInterval(playing);
  if (playing) {
    playing = 0;
    return draw();
  }
  if (!tape.seen || momentRow() === last) moment = rows[0].n;
  tape.seen = true;
  let time = rows[momentRow()].at;
  playing = setInterval(() => {
    const at = momentRow();
    if (at === last) {
      clearInterval(playing);
      playing = 0;
    } else {
      time = Math.max(time + step, rows[at + 1].at - pause);
      let next = at;
      while (next < last && rows[next + 1].at <= time) next++;
      moment = rows[next].n;
    }
    draw();
  }, step);
}

async function live() {
  about = await (await fetch("about")).json();
  document.title = "watch " + about.name;
  const stream = new EventSource("events");
  stream.onopen = () => {
    lost = false;
    forget();
  };
  stream.onerror = () => {
    lost = true;
    draw();
  };
  stream.onmessage = (message) => {
    const had = Object.keys(end.clients);
    take(JSON.parse(message.data));
    ahead = end.at - performance.now();
    const added = Object.keys(end.clients).filter((id) => !had.includes(id));
    if (added.length === 1) chosen = added[0];
    soon();
  };
  setInterval(() => end.inside && moment === null && draw(), 200);
}
if (tapes) {
  const open = () => tape(Math.max(0, tapes.tapes.findIndex((t) => "#" + t.about.name.slice(0, 2) === location.hash)));
  addEventListener("hashchange", open);
  open();
} else live();
