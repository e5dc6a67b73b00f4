// A class by name with type-ahead (the combobox pattern of WAI-ARIA 1.2); knows neither networks nor questions.
import { debounce, fill, h } from "./dom.js";

/**
 * find(words): promise of [{index, label, note}]; empty: words for "none chosen"; onchange(list of classes).
 * set({chosen, many, off, empty}) shows a state without telling anybody.
 */
export function picker(id, find, onchange) {
  let chosen = [], many = false, empty = "", found = [], at = -1, asked = 0;
  const list = h("ul", { id: id + "-list", role: "listbox", "aria-label": "Classes", hidden: true });
  const input = h("input", {
    id, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list", "aria-expanded": "false",
    "aria-controls": list.id,
  });
  const chips = h("span", { class: "chips" });
  const clear = h("button", { type: "button", class: "clear", "aria-label": "Clear", title: "Clear", onclick: () => { choose(null); input.focus(); } }, "×");
  const root = h("div", { class: "picker" }, chips, input, clear, list);

  function showText() {
    input.placeholder = empty;
    input.value = many || !chosen.length ? "" : chosen[0].label;
  }

  function show() {
    showText();
    clear.hidden = many || !chosen.length || input.disabled;
    fill(chips, ...(many ? chosen : []).map((c) => h("span", { class: "chip" }, c.label,
      h("button", { type: "button", "aria-label": "Remove " + c.label, onclick: () => choose(null, c) }, "×"))));
  }

  function close() {
    asked++;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    at = -1;
  }

  function mark(i) {
    at = found.length ? (i + found.length) % found.length : -1;
    [...list.children].forEach((e, k) => e.setAttribute("aria-selected", String(k === at)));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", list.children[at].id);
    list.children[at].scrollIntoView({ block: "nearest" });
  }

  /** c null: nothing is chosen any more, or only `gone` goes. */
  function choose(c, gone) {
    if (c && c.index === null && c.none) c = null;
    if (gone) chosen = chosen.filter((x) => x !== gone);
    else if (!c) chosen = [];
    else if (many) chosen = [...chosen.filter((x) => x.index !== c.index), { index: c.index, label: c.label }];
    else chosen = [{ index: c.index, label: c.label }];
    show();
    close();
    onchange(chosen);
  }

  async function open(words) {
    const mine = ++asked;
    const rows = await find(words).catch(() => []);
    if (mine !== asked || document.activeElement !== input) return;
    found = words ? rows : [{ index: null, none: true, label: empty }, ...rows];
    fill(list, ...(found.length ? found.map((c, i) => h("li", {
      id: id + "-" + i, role: "option", "aria-selected": "false", onpointerdown: (e) => { e.preventDefault(); choose(c); },
    }, h("span", {}, c.label), c.note ? h("small", {}, c.note) : null))
      : [h("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, "No class has these words")]));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(words && found.length ? 0 : -1);
  }
  const openSoon = debounce(() => open(input.value.trim()), 90);

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => { if (list.hidden) open(""); });
  input.addEventListener("input", openSoon);
  input.addEventListener("blur", () => { close(); showText(); }); /* not the chips: a click on one may be under way */
  input.addEventListener("keydown", async (e) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (list.hidden) await open("");
      mark(at + (e.key === "ArrowDown" ? 1 : at < 0 ? 0 : -1));
    } else if (e.key === "Enter" && !list.hidden) {
      e.preventDefault();
      if (at >= 0) choose(found[at]);
    } else if (e.key === "Enter" && input.value.trim()) {
      e.preventDefault();
      await open(input.value.trim()); /* typed faster than the list came */
      if (found.length && at >= 0) choose(found[at]);
    } else if (e.key === "Escape") {
      if (!list.hidden) e.stopPropagation();
      close();
      show();
    } else if (e.key === "Backspace" && many && !input.value && chosen.length) choose(null, chosen[chosen.length - 1]);
  });
  return {
    root,
    set(state) {
      chosen = state.chosen;
      many = !!state.many;
      empty = state.empty;
      input.disabled = !!state.off;
      if (document.activeElement !== input || list.hidden) show();
    },
  };
}
