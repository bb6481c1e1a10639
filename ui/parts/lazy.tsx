import { Button, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { type ComponentProps, type ComponentType, useEffect, useEffectEvent, useId, useSyncExternalStore } from 'react';
import { ErrorNotice } from '../Notice.tsx';
import { describeError } from '../refusal.ts';
import { Waiting } from '../Waiting.tsx';
import { PartFault } from './files.ts';
import { createPart, type Part } from './part.ts';
import { reloadPage } from './reload.ts';
import { askVersion } from './version.ts';

/** All parts of the app, in the order in which they were named: those of the first page's links first. */
export const parts: Part<unknown>[] = [];

/** So long a click waits on the present page for the next one; then the next one says that it is loading. */
const patienceMs = 600;

// biome-ignore lint/suspicious/noExplicitAny: a component's props are checked where it is drawn
type Components<Name extends string> = Record<Name, ComponentType<any>>;

function addPart<Module extends Components<Name>, Name extends string>(load: () => Promise<Module>, name: Name) {
  const part = createPart(async () => (await load())[name] as ComponentType<ComponentProps<Module[Name]>>);
  parts.push(part);
  return part;
}

/** The state of a part that a place on the screen needs. */
function usePart<Module>(part: Part<Module>) {
  const state = useSyncExternalStore(part.subscribe, part.getState);
  const isReady = state.is === 'ready';
  useEffect(() => (isReady ? undefined : part.demand()), [part, isReady]);
  const isGone = state.is === 'missing' && state.error instanceof PartFault && state.error.isGone;
  useEffect(() => {
    if (isGone) void askVersion();
  }, [isGone]);
  return { state, isGone };
}

/**
 * A page, or a panel beside one, that is loaded when it is first shown: `lazyPage(() => import('./DealPage.tsx'), 'DealPage')`. If it
 * cannot be loaded, its place says so while everything around it goes on.
 */
export function lazyPage<Module extends Components<Name>, Name extends string>(
  load: () => Promise<Module>,
  name: Name,
  what: 'page' | 'panel' = 'page',
) {
  const part = addPart(load, name);
  function LazyPage(props: ComponentProps<Module[Name]>) {
    const { state, isGone } = usePart(part);
    if (state.is === 'ready') {
      const Shown = state.module as ComponentType<object>;
      return <Shown {...(props as object)} />;
    }
    if (state.is !== 'missing') return <Waiting />;
    return (
      <ErrorNotice
        title={isGone ? `This ${what} cannot be shown any more` : `This ${what} is not loaded yet`}
        error={state.error}
        onRetry={state.error instanceof PartFault && state.error.isStuck ? undefined : part.retry}
        isTrying={state.isTrying}
      >
        {isGone && <Button onClick={() => void reloadPage()}>Reload</Button>}
      </ErrorNotice>
    );
  }
  LazyPage.preload = () => Promise.race([part.ahead(), new Promise<void>((done) => setTimeout(done, patienceMs))]);
  return LazyPage;
}

/** A dialog that is loaded when it is first opened. If it cannot be loaded, a message says so, and it opens as soon as it can. */
export function lazyDialog<Module extends Components<Name>, Name extends string>(
  load: () => Promise<Module>,
  name: Name,
) {
  const part = addPart(load, name);
  return function LazyDialog(props: ComponentProps<Module[Name]>) {
    const { state, isGone } = usePart(part);
    const id = useId();
    const give = useEffectEvent(() => {
      const { onClose, onCancel } = props as { onClose?: () => void; onCancel?: () => void };
      (onClose ?? onCancel)?.();
    });
    const said = state.is === 'missing' ? describeError(state.error) : undefined;
    useEffect(() => {
      if (said === undefined) return;
      let isOver = false;
      notifications.show({
        id,
        color: 'red',
        title: 'This is not loaded yet',
        autoClose: false,
        onClose: () => isOver || give(),
        message: (
          <Group justify="space-between" gap={6}>
            <Text size="sm">{said}</Text>
            <Button variant="light" onClick={isGone ? () => void reloadPage() : part.retry}>
              {isGone ? 'Reload' : 'Try again'}
            </Button>
          </Group>
        ),
      });
      return () => {
        isOver = true;
        notifications.hide(id);
      };
    }, [said, isGone, id]);
    if (state.is !== 'ready') return null;
    const Shown = state.module as ComponentType<object>;
    return <Shown {...(props as object)} />;
  };
}
