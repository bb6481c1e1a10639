import { announceStyleNonce, readStyleNonce } from './nonce.ts';
import { cssVariables, theme } from './theme.ts';
import './theme.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { type AnyRouter, RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { client } from './client.ts';
import { pruneDrafts } from './drafts.ts';
import { keepFocus } from './focus.ts';
import { openHoldersIn } from './Holder.tsx';
import { loadAhead } from './parts/ahead.ts';

/** Draws the app into its page: the router's content in the theme of all apps. */
export function drawApp(router: AnyRouter): void {
  announceStyleNonce();
  keepFocus(document);
  openHoldersIn(router);
  createRoot(document.getElementById('root') as HTMLElement).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={cssVariables}
        defaultColorScheme="auto"
        getStyleNonce={readStyleNonce}
      >
        {/* theme.css shows the newest of each kind. Beyond a limit a message, and its Undo, would wait until an older one goes. */}
        <Notifications position="bottom-left" limit={100} />
        <QueryClientProvider client={client}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
  loadAhead();
  pruneDrafts(localStorage); // last: it throws where storage is forbidden, and the app must appear even there
}
