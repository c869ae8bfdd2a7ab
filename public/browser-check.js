/* Runs before anything else, in any browser: says in one sentence what is missing here. ES5 on purpose. */
(function () {
  'use strict';

  function moduleWorkers() {
    // The getter is asked before anything is fetched; a browser without module workers never asks.
    var asked = false;
    try {
      var probe = {};
      Object.defineProperty(probe, 'type', {
        get: function () {
          asked = true;
          return 'module';
        },
      });
      new Worker('blob:probe', probe).terminate();
    } catch (refused) {
      // Having asked is all that counts.
    }
    return asked;
  }

  var missing = [];
  function need(name, there) {
    if (!there) missing.push(name);
  }
  need('JavaScript modules', 'noModule' in document.createElement('script'));
  need('WebAssembly', typeof WebAssembly === 'object' && typeof WebAssembly.instantiate === 'function');
  need('Web Workers', typeof Worker === 'function');
  if (typeof Worker === 'function') need('module workers', moduleWorkers());
  // Not IndexedDB: without it disks can be kept in RAM, and the page says so.
  need('BigInt', typeof BigInt === 'function' && typeof BigUint64Array === 'function');
  need('MessageChannel', typeof MessageChannel === 'function');
  need('ResizeObserver', typeof ResizeObserver === 'function');
  need('structuredClone', typeof structuredClone === 'function');
  need('dialog', typeof HTMLDialogElement === 'function');
  if (missing.length === 0) return;

  var root = document.documentElement;
  root.setAttribute('data-unsupported', missing.join(', '));
  var chinese = /^zh/i.test(navigator.language || '');
  var sentence = chinese
    ? 'LightNVM Lab 在页面里运行一台电脑，需要这个浏览器没有的功能：' +
      missing.join('、') +
      '。请用较新的 Chrome、Edge、Firefox 或 Safari 打开。'
    : 'LightNVM Lab runs a computer in this page and needs what this browser lacks: ' +
      missing.join(', ') +
      '. Please open it in a current Chrome, Edge, Firefox or Safari.';

  function say() {
    var box = document.createElement('p');
    box.setAttribute('role', 'alert');
    box.setAttribute('data-testid', 'unsupported');
    box.style.cssText = 'max-width:36em;margin:4em auto;padding:0 1.5em;font:16px/1.5 sans-serif';
    box.appendChild(document.createTextNode(sentence));
    document.body.appendChild(box);
  }
  if (document.body) say();
  else document.addEventListener('DOMContentLoaded', say);
})();
