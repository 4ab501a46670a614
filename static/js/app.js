// Small comforts. Every page works without this file.
'use strict';

(() => {
  const on = (type, selector, act) => document.addEventListener(type, (event) => {
    const found = event.target instanceof Element && event.target.closest(selector);
    if (found) act(found, event);
  });

  // A dialog takes the focus to its first field, and gives it back.
  document.addEventListener('toggle', (event) => {
    const dialog = event.target;
    if (!(dialog instanceof HTMLElement) || !dialog.classList.contains('dialog')) return;
    if (event.newState === 'open') (dialog.querySelector('[autofocus], input:not([type=hidden]), select, textarea, .button') || dialog).focus();
    else document.querySelector(`[popovertarget="${dialog.id}"]:not(.dialog *)`)?.focus();
  }, true);

  // The Tab key stays inside an open dialog.
  document.addEventListener('keydown', (event) => {
    const dialog = event.key === 'Tab' && document.querySelector('.dialog:popover-open');
    if (!dialog) return;
    const stops = [...dialog.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea')].filter((e) => !e.disabled && e.offsetParent !== null);
    const [first, last] = [stops[0], stops.at(-1)];
    if (event.shiftKey && document.activeElement === first) { last.focus(); event.preventDefault(); }
    else if (!event.shiftKey && document.activeElement === last) { first.focus(); event.preventDefault(); }
  });

  // After a form came back, the first field to mend has the focus.
  document.querySelector('main [aria-invalid="true"]')?.focus();

  // A form is sent once, however often one clicks. It wakes again when one comes back by the back button.
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== 'post') return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = 'yes';
  });
  addEventListener('pageshow', () => document.querySelectorAll('form[data-sent]').forEach((form) => delete form.dataset.sent));

  // Copying: data-copy is the text, or the id of the element that holds it with a leading #.
  on('click', '[data-copy]', async (button) => {
    const what = button.dataset.copy;
    const text = what.startsWith('#') ? document.querySelector(what)?.textContent.trim() : what;
    await navigator.clipboard?.writeText(text ?? '');
    const label = button.querySelector('span') ?? button;
    const before = label.textContent;
    label.textContent = 'Copied';
    setTimeout(() => { label.textContent = before; }, 1500);
  });

  // A select or radio with data-submit sends its form at once; its button is there for who has no script.
  on('change', '[data-submit]', (input) => input.form?.requestSubmit());
  document.querySelectorAll('[data-without-script]').forEach((element) => { element.hidden = true; });

  // The theme shows as soon as it is chosen.
  on('change', 'input[name="theme"]', (input) => {
    if (input.value === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = input.value;
  });

  // A count of characters for fields with data-count.
  const count = (field) => {
    const out = document.getElementById(field.dataset.count);
    if (out) out.textContent = `${[...field.value].length} characters`;
  };
  on('input', '[data-count]', count);
  document.querySelectorAll('[data-count]').forEach(count);

  // Time zones come from the browser, so the list is never stale.
  const zones = document.getElementById('zones');
  if (zones && Intl.supportedValuesOf) zones.append(...Intl.supportedValuesOf('timeZone').map((zone) => new Option(zone, zone)));
  const zone = document.querySelector('input[data-guess-zone]');
  if (zone && (!zone.value || zone.value === 'UTC')) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

  // Keys: / to search, c for a new campaign, g and a letter to go places. Never while typing.
  const places = { h: '/', c: '/campaigns', l: '/lists', s: '/subscribers', i: '/imports', x: '/suppressions' };
  let going = false;
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest?.('input, select, textarea, [contenteditable]');
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !document.querySelector('.side .nav')) return;
    if (going && places[event.key]) location.assign(places[event.key]);
    else if (event.key === 'c') location.assign('/campaigns/new');
    else if (event.key === '/') {
      const box = document.querySelector('input[type="search"]');
      if (box) { box.focus(); event.preventDefault(); }
    }
    going = event.key === 'g';
  });
})();
