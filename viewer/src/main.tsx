// Where it begins: in the page, or in the worker that the page makes of this same script.

import { render } from 'preact';

import { Client } from './client.ts';
import { follow, readElements } from './data.ts';
import { App } from './ui/app.tsx';
import { serve, type ToWorker } from './worker.ts';

if (typeof document === 'undefined') {
  const take = serve((message) => postMessage(message));
  onmessage = (event: MessageEvent<ToWorker>) => take(event.data);
} else {
  const source = document.currentScript?.textContent ?? '';
  const root = document.getElementById('app') as HTMLElement;
  const client = new Client(source);
  readElements(client)
    .then((meta) => {
      root.textContent = '';
      render(<App client={client} meta={meta} />, root);
      if (meta.live) follow(client, meta.pieces);
    })
    .catch((error: unknown) => {
      root.textContent = `This page cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    });
}
