() => {
  const seen = (cell) => cell.getClientRects().length > 0;
  return [...document.querySelectorAll("table")].flatMap((table) => {
    const heads = [...table.querySelectorAll("thead th")].filter(seen);
    const rows = [...table.querySelectorAll("tbody tr:not(.detail)")].map((row) => [...row.cells].filter(seen));
    return heads.filter((_, index) => rows.every((row) => ["", "–"].includes(row[index].textContent.trim()))).map((head) => head.textContent);
  });
}
