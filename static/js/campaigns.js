// Comforts of the campaign pages. Each of them works without this file.
'use strict';

(() => {
  const on = (type, selector, act) => document.addEventListener(type, (event) => {
    const found = event.target instanceof Element && event.target.closest(selector);
    if (found) act(found, event);
  });

  // A merge tag goes where the cursor is.
  on('click', '[data-insert]', (button) => {
    const field = document.getElementById(button.dataset.into);
    if (!field) return;
    field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, 'end');
    field.dispatchEvent(new Event('input', { bubbles: true }));
    button.closest('details').open = false;
    field.focus();
  });

  // One picker at a time; it closes when one clicks elsewhere or presses Escape.
  document.addEventListener('click', (event) => {
    for (const open of document.querySelectorAll('.picker[open]')) if (!open.contains(event.target)) open.open = false;
  });
  document.addEventListener('keydown', (event) => {
    const open = event.key === 'Escape' && document.querySelector('.picker[open]');
    if (open) { open.open = false; open.querySelector('summary').focus(); }
  });

  // What is typed shows in the inbox beside it.
  on('input', '[data-show]', (field) => {
    const out = document.getElementById(field.dataset.show);
    if (out) out.textContent = field.value.trim() || out.dataset.empty;
  });

  // The size of the HTML, as it travels: in UTF-8.
  const meter = (field) => {
    const bar = document.getElementById(`${field.dataset.meter}-bar`);
    const out = document.getElementById(field.dataset.meter);
    const octets = new TextEncoder().encode(field.value).length;
    const clips = Number(field.dataset.clips);
    bar.value = Math.min(octets, clips);
    out.textContent = octets > clips ? `${Math.ceil(octets / 1000)} kB: Gmail hides what comes after 102 kB.` : `${Math.ceil(octets / 1000)} kB of 102 kB. Gmail hides what comes after.`;
    out.parentElement.classList.toggle('meter-over', octets > clips);
  };
  on('input', '[data-meter]', meter);
  document.querySelectorAll('[data-meter]').forEach(meter);

  // Leaving with words that are not saved asks first.
  let unsaved = false;
  on('input', 'form[data-guard]', () => { unsaved = true; });
  on('submit', 'form[data-guard]', () => { unsaved = false; });
  addEventListener('beforeunload', (event) => { if (unsaved) event.preventDefault(); });
})();
