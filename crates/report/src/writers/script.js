'use strict';
// A click on a column's head sorts the table by it: ascending, descending, and back to the report's own order.
for (const table of document.querySelectorAll('table')) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const given = [...body.rows];
  heads.forEach((head, place) => {
    const key = (row) => {
      const cell = row.cells[place];
      if (!head.classList.contains('number')) return cell.textContent === '–' ? '' : cell.textContent;
      return cell.dataset.value === undefined ? '' : Number(cell.dataset.value);
    };
    // What is undefined stands last, whichever way the others are sorted.
    const compare = (sign) => (left, right) => {
      const [a, b] = [key(left), key(right)];
      if (a === '' || b === '') return (a === '') - (b === '');
      return sign * (typeof a === 'number' ? a - b : a.localeCompare(b, 'en', { numeric: true }));
    };
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const next = { ascending: 'descending', descending: 'none' }[head.ariaSort] ?? 'ascending';
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      if (next !== 'none') head.ariaSort = next;
      body.append(...(next === 'none' ? given : [...given].sort(compare(next === 'ascending' ? 1 : -1))));
    });
  });
}
// On a narrow screen figures fit its width; a button shows one at a size at which its text can be read.
for (const box of document.querySelectorAll('figure .scroll')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'enlarge';
  button.textContent = 'Enlarge';
  button.setAttribute('aria-pressed', 'false');
  button.addEventListener('click', () => {
    const large = box.classList.toggle('large');
    button.setAttribute('aria-pressed', String(large));
  });
  box.classList.add('fit');
  box.after(button);
}
