// Shows how an upload gets on. Without this file the form works as well, only silently.
'use strict';

(() => {
  const form = document.querySelector('form[data-upload]');
  const box = form?.querySelector('[data-upload-progress]');
  if (!box) return;
  const text = box.querySelector('[data-upload-text]');
  const rate = box.querySelector('[data-upload-rate]');
  const bar = box.querySelector('progress');
  const stop = form.querySelector('[data-upload-stop]');
  const drop = form.querySelector('.import-drop');
  const megabytes = (bytes) => (bytes / 1e6).toLocaleString('en', { maximumFractionDigits: 1 });

  const working = (is) => {
    box.hidden = stop.hidden = !is;
    form.querySelectorAll('button:not([data-upload-stop])').forEach((button) => { button.disabled = is; });
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    const began = performance.now();
    let quarter = 0;
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      const seconds = Math.max((performance.now() - began) / 1000, 0.1);
      bar.max = total;
      bar.value = loaded;
      rate.textContent = `${megabytes(loaded)} of ${megabytes(total)} MB · ${megabytes(loaded / seconds)} MB/s`;
      // The status is read aloud, so it speaks four times and not at every packet.
      const now = Math.floor((4 * loaded) / total);
      if (now > quarter) text.textContent = now < 4 ? `Uploading, ${25 * now} %` : 'Uploaded. Storing…';
      quarter = now;
    });
    request.addEventListener('load', () => {
      if (request.status < 400) return location.assign(request.responseURL);
      const answer = new DOMParser().parseFromString(request.responseText, 'text/html').querySelector('main');
      if (!answer) return failed();
      document.querySelector('main').replaceWith(answer);
      (answer.querySelector('[aria-invalid]') ?? answer).focus();
    });
    const failed = () => {
      working(false);
      box.hidden = false;
      text.textContent = 'The upload broke off. Check the connection and send it again.';
    };
    request.addEventListener('error', failed);
    request.addEventListener('abort', () => working(false));
    stop.onclick = () => request.abort();
    request.open('POST', form.action);
    request.send(new FormData(form));
    working(true);
    text.textContent = 'Uploading…';
  });

  for (const type of ['dragenter', 'dragleave', 'drop']) {
    drop.addEventListener(type, () => drop.classList.toggle('is-over', type === 'dragenter'));
  }
})();
