"use strict";
(() => {
  const PAGE = 60; // rows drawn at a time: thousands of videos stay quick
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const [ROW, START, END, CLUSTER, SCORE, STRENGTH, CLEAR] = [0, 1, 2, 3, 4, 5, 6];
  const state = { share: data.share, only: "", find: "", order: "name", overlaps: false };
  const byRow = new Map(); // segment number -> [video, segment]
  for (const video of data.videos) {
    for (const segment of video.segments) byRow.set(segment[ROW], [video, segment]);
  }
  let listed = []; // [video, visible segments] in the order shown
  let drawn = 0;

  function clock(seconds) {
    const tenths = Math.max(0, Math.round(seconds * 10));
    const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    const minutes = Math.floor(tenths / 600);
    if (minutes < 60) return `${minutes}:${rest}`;
    return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  }
  const when = (segment) => `${clock(segment[START])}–${clock(segment[END])}`;
  const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
  const clusterName = (cluster) => data.clusters[cluster];
  const colour = (cluster) => `k${cluster % 7} p${Math.floor(cluster / 7) % 4}`;
  const facts = (segment) =>
    `${clusterName(segment[CLUSTER])}, ${when(segment)}, strength ${segment[STRENGTH]} %, score ${segment[SCORE] ?? "unknown"}`;

  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function place(node, start, end, duration) {
    node.style.left = `${(100 * start) / duration}%`;
    node.style.width = `${(100 * (end - start)) / duration}%`;
  }

  // ---- which segments and videos are shown ----
  function isShown(segment) {
    return (
      segment[STRENGTH] >= state.share &&
      (state.overlaps || segment[CLEAR]) &&
      (state.only === "" || segment[CLUSTER] === Number(state.only))
    );
  }

  const orders = {
    name: () => 0,
    cluster: ([a], [b]) => a.cluster - b.cluster,
    most: ([, a], [, b]) => b.length - a.length,
  };

  let waiting = false;
  function refreshSoon() { // a dragged slider tells more often than a screen can show
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; refresh(); }, 20);
  }

  function refresh() {
    const wanted = state.find.toLocaleLowerCase();
    listed = data.videos
      .filter((video) => video.name.toLocaleLowerCase().includes(wanted))
      .map((video) => [video, video.segments.filter(isShown)])
      .filter(([, segments]) => state.only === "" || segments.length)
      .sort(orders[state.order]);
    drawn = 0;
    $("rows").replaceChildren();
    more();
    tell();
  }

  function tell() {
    let shown = 0, weaker = 0, covered = 0, videos = 0;
    for (const [, segments] of listed) {
      shown += segments.length;
      videos += segments.length > 0;
    }
    for (const video of data.videos) {
      for (const segment of video.segments) {
        if (segment[STRENGTH] < state.share) weaker += 1;
        else if (!state.overlaps && !segment[CLEAR]) covered += 1;
      }
    }
    const hidden = [];
    if (weaker) hidden.push(`${weaker.toLocaleString("en")} below ${state.share} %`);
    if (covered) hidden.push(`${covered.toLocaleString("en")} overlapped by a stronger one`);
    $("shown").textContent =
      `${count(shown, "instance")} in ${count(videos, "video")} shown` +
      (hidden.length ? `; hidden: ${hidden.join(", ")}.` : ".");
  }

  function more() {
    const rows = listed.slice(drawn, drawn + PAGE).map(([video, segments]) => row(video, segments));
    $("rows").append(...rows);
    drawn += rows.length;
    $("more").hidden = drawn >= listed.length;
    $("more").textContent = `Show more videos (${(listed.length - drawn).toLocaleString("en")} left)`;
    if (!listed.length) $("rows").append(element("p", "hint", "No video fits."));
  }

  // ---- one row ----
  function row(video, segments) {
    const made = $("row").content.cloneNode(true).firstElementChild;
    made.querySelector(".name").textContent = video.name;
    const detail = made.querySelector(".detail");
    const swatch = element("span", `swatch ${colour(video.cluster)}`);
    detail.append(swatch, `${clusterName(video.cluster)} · ${clock(video.duration)}`);
    for (const note of video.notes) detail.append(element("span", "flag", note));
    const lane = made.querySelector(".lane");
    lane.setAttribute("aria-label", `${video.name}: ${count(segments.length, "instance")}`);
    lane.append(...segments.map((segment) => block(video, segment)));
    if (lane.firstElementChild) lane.firstElementChild.tabIndex = 0;
    drawCurve(made.querySelector(".curve"), video);
    drawTruth(made.querySelector(".truth"), video);
    made.querySelector(".axis").append(...ticks(video.duration));
    return made;
  }

  function block(video, segment) {
    const made = element("button", `block ${colour(segment[CLUSTER])}`);
    made.type = "button";
    made.tabIndex = -1; // arrows move within a row
    made.dataset.row = segment[ROW];
    made.classList.toggle("covered", !segment[CLEAR]);
    made.setAttribute("aria-label", facts(segment));
    made.append(element("span", "number", String(segment[CLUSTER])));
    place(made, segment[START], segment[END], video.duration);
    made.style.setProperty("--strength", String(Math.min(1, segment[STRENGTH] / 100)));
    made.style.zIndex = String(1 + segment[STRENGTH]);
    return made;
  }

  function drawCurve(svg, video) {
    const values = video.curve;
    if (!values.length) return svg.remove();
    const step = (1000 * video.curve_s) / video.duration / values.length;
    const points = values.map((v, i) => `${((i + 0.5) * step).toFixed(1)},${(98 - 0.96 * v).toFixed(1)}`);
    const line = `M0,${points[0].split(",")[1]} L${points.join(" ")} L${(values.length * step).toFixed(1)},${points.at(-1).split(",")[1]}`;
    svg.querySelector(".line").setAttribute("d", line);
    svg.querySelector(".area").setAttribute("d", `${line} V100 H0 Z`);
  }

  function drawTruth(lane, video) {
    lane.hidden = !data.has_truth;
    for (const [start, end, name, cluster] of video.truth) {
      const made = element("span", `true ${cluster === null ? "unmatched" : colour(cluster)}`);
      made.title = `truth: ${name}, ${clock(start)}–${clock(end)}`;
      place(made, start, end, video.duration);
      lane.append(made);
    }
  }

  function ticks(duration) {
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
    const step = steps.find((s) => duration / s <= 7) ?? 86400;
    const made = [];
    for (let at = 0; at <= duration * 0.97; at += step) {
      const text = step < 1 ? clock(at) : clock(at).replace(/\.\d$/, "");
      const tick = element("span", "tick-mark", text);
      tick.style.left = `${(100 * at) / duration}%`;
      made.push(tick);
    }
    return made;
  }

  // ---- pointing at a segment ----
  function showTip(target) {
    const [video, segment] = byRow.get(Number(target.dataset.row));
    const tip = $("tip");
    tip.querySelector(".name").textContent = video.name;
    tip.querySelector(".when").textContent = facts(segment);
    tip.hidden = false;
    const box = target.getBoundingClientRect();
    const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const above = box.top - tip.offsetHeight - 6;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above < 4 ? box.bottom + 6 : above}px`;
  }
  const hideTip = () => { $("tip").hidden = true; };

  // ---- watching a segment ----
  const player = $("player");
  const screen = player.querySelector("video");
  let queue = [], at = 0;

  function watch(row) {
    const [, segment] = byRow.get(row);
    queue = [];
    for (const video of data.videos) {
      for (const other of video.segments) {
        if (other[CLUSTER] === segment[CLUSTER] && (other === segment || (other[CLEAR] && other[STRENGTH] >= state.share))) queue.push(other);
      }
    }
    queue.sort((a, b) => b[SCORE] - a[SCORE] || a[ROW] - b[ROW]);
    at = queue.indexOf(segment);
    hideTip();
    if (!player.open) player.showModal();
    load();
  }

  function load() {
    const [video, segment] = byRow.get(queue[at][ROW]);
    player.querySelector("h3 bdi").textContent = clusterName(segment[CLUSTER]);
    player.querySelector("h3 .swatch").className = `swatch ${colour(segment[CLUSTER])}`;
    player.querySelector(".name").textContent = video.name;
    player.querySelector(".when").textContent = `${when(segment)} · strength ${segment[STRENGTH]} % · score ${segment[SCORE] ?? "unknown"}`;
    $("place").textContent = `${at + 1} of ${queue.length}`;
    $("before").disabled = at === 0;
    $("after").disabled = at === queue.length - 1;
    trouble(video.source ? "" : "No video file is known for this one, only its features.");
    screen.hidden = !video.source;
    if (!video.source) return screen.removeAttribute("src");
    screen.src = `${video.source}#t=${segment[START]},${segment[END]}`;
    screen.play().catch(() => {}); // a file that cannot be played has already said so
  }

  function trouble(text) {
    player.querySelector(".trouble").textContent = text;
  }

  function fileName(address) {
    try { return decodeURIComponent(address); } catch { return address; } // not every name is UTF-8
  }

  function step(by) {
    at = Math.min(queue.length - 1, Math.max(0, at + by));
    load();
  }

  screen.addEventListener("error", () => {
    if (!screen.getAttribute("src")) return;
    const [video, segment] = byRow.get(queue[at][ROW]);
    screen.hidden = true;
    trouble(`This browser cannot play ${fileName(video.source)}. It was moved, or is of a kind that browsers do not play: open it in a video player at ${clock(segment[START])}.`);
  });
  player.addEventListener("close", () => { screen.removeAttribute("src"); screen.load(); });
  player.addEventListener("click", (event) => { if (event.target === player) player.close(); });
  player.addEventListener("keydown", (event) => {
    if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
  });
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));

  // ---- events ----
  const rows = $("rows");
  for (const kind of ["mouseover", "focusin"]) {
    rows.addEventListener(kind, (event) => {
      const target = event.target.closest(".block");
      if (target) showTip(target);
    });
  }
  rows.addEventListener("mouseout", hideTip);
  rows.addEventListener("focusout", hideTip);
  document.addEventListener("scroll", hideTip, { passive: true });
  document.addEventListener("click", (event) => {
    const target = event.target.closest(".block, .example");
    if (target) watch(Number(target.dataset.row));
  });
  rows.addEventListener("keydown", (event) => {
    const target = event.target.closest(".block");
    const next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
    if (!target || !next || !target[next]) return;
    event.preventDefault();
    target.tabIndex = -1;
    target[next].tabIndex = 0;
    target[next].focus();
  });
  for (const button of document.querySelectorAll(".only")) {
    button.addEventListener("click", () => {
      state.only = $("only").value = button.dataset.cluster;
      refresh();
      $("videos").scrollIntoView();
    });
  }
  function listen(id, kind, apply) {
    $(id).addEventListener(kind, (event) => { apply(event.target); refreshSoon(); });
  }
  listen("share", "input", (input) => {
    state.share = Number(input.value);
    $("share-value").textContent = `${input.value} %`;
  });
  listen("only", "change", (input) => { state.only = input.value; });
  listen("order", "change", (input) => { state.order = input.value; });
  listen("find", "input", (input) => { state.find = input.value; });
  listen("overlaps", "change", (input) => { state.overlaps = input.checked; });
  $("more").addEventListener("click", more);
  refresh();
})();
