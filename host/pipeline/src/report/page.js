// a slider moves the sheet of slices behind its window
for (const range of document.querySelectorAll('figure input[type=range]')) {
    const window = range.closest('figure').querySelector('.slice');
    const show = () => {
        window.style.backgroundPosition = `0 -${range.value * window.dataset.height}px`;
        range.closest('figcaption').querySelector('output').textContent = Number(range.value) + 1;
    };
    range.addEventListener('input', show);
    show();
}
// a click on a head sorts by that column, a second one the other way round
const body = document.querySelector('#scores tbody');
document.querySelectorAll('#scores thead th').forEach((head, column) => head.addEventListener('click', () => {
    const up = head.dataset.up = head.dataset.up === '1' ? '0' : '1';
    const text = (row) => row.cells[column].textContent;
    const order = (a, b) => (parseFloat(text(a)) - parseFloat(text(b))) || text(a).localeCompare(text(b));
    [...body.rows].sort((a, b) => up === '1' ? order(a, b) : order(b, a)).forEach((row) => body.append(row));
}));
document.querySelector('#filter').addEventListener('input', (event) => {
    for (const row of body.rows) row.hidden = !row.cells[0].textContent.includes(event.target.value);
});
