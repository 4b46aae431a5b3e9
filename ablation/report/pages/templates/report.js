// Tables sort by a click on a header and filter by words; the ranking takes another baseline. The
// page holds everything without this script: it adds nothing but convenience, and computes nothing.
"use strict";
for (const table of document.querySelectorAll(".table > table")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  if (rows.length < 2) continue;
  const number = (text) => {
    const found = text.match(/-?\d[\d,]*\.?\d*/);
    return found ? parseFloat(found[0].replace(/,/g, "")) : NaN;
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent || "·";
    button.title = "sort by this column";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent.trim();
      const isNumber = rows.some((row) => /^[-+<–\s]*\d/.test(text(row)));
      const compare = (a, b) => {
        if (!isNumber) return text(a).localeCompare(text(b));
        const [x, y] = [number(text(a)), number(text(b))];
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
        return x - y;
      };
      body.append(...rows.toSorted((a, b) => (down ? -1 : 1) * compare(a, b)));
    });
  });
  if (rows.length < 6) continue;
  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = "filter rows";
  filter.setAttribute("aria-label", "filter the rows of this table");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.parentElement.before(filter);
}
for (const data of document.querySelectorAll("script.baselines")) {
  const { cells, pairs, title } = JSON.parse(data.textContent);
  const table = data.parentElement.querySelector(".table > table");
  const rows = [...table.tBodies[0].rows];
  const last = rows[0].cells.length - 1;
  const asWritten = rows.map((row) => [row.cells[last - 1].textContent, row.cells[last].textContent]);
  const head = table.tHead.rows[0].cells[last - 1].querySelector("button");
  const headAsWritten = head.textContent;
  const label = document.createElement("label");
  label.textContent = "compare each cell with ";
  const select = document.createElement("select");
  select.add(new Option(title, ""));
  cells.forEach((name, at) => select.add(new Option(name, at)));
  label.append(select);
  label.className = "baseline";
  data.before(label);
  const place = new Map(rows.map((row, at) => [row, at]));
  select.addEventListener("change", () => {
    const chosen = select.value;
    head.textContent = chosen === "" ? headAsWritten : headAsWritten.replace(/the first|the reference/, "the chosen");
    for (const row of rows) {
      const at = place.get(row);
      const found = chosen === "" ? asWritten[at] : pairs[at + "," + chosen] || ["", at == chosen ? "the chosen" : "not compared"];
      if (at >= cells.length) continue;
      [row.cells[last - 1].textContent, row.cells[last].textContent] = found;
    }
  });
}
