import { Button, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { ErrorText } from './Holder.tsx';
import { Refusal } from './refusal.ts';

/** `undo` may return a sentence that is shown instead of "Undone.", for what it could not take back. */
type Undo = { message: string; undo: () => Promise<unknown> };
type Offer = { id: string; take: () => void };

/**
 * The actions that can be undone, the latest last. Only the latest is on the screen; Ctrl+Z reaches the others. A message
 * that is still fading undoes nothing.
 */
let offers: Offer[] = [];
/** One undo at a time: the next one needs the version that the one before has made. */
let lastUndo: Promise<unknown> = Promise.resolve();
const offersMax = 20;
const undoMs = 10_000;
const closeButtonProps = { 'aria-label': 'Hide this message' };

/** Reports an action that can be undone. */
export function showUndo({ message, undo }: Undo): void {
  const id = crypto.randomUUID();
  const take = () => {
    notifications.hide(id);
    offers = offers.filter((offer) => offer.id !== id);
    const undone = lastUndo.then(undo);
    lastUndo = undone.catch(() => {});
    undone.then(
      (said) => showDone(typeof said === 'string' ? said : 'Undone.'),
      (error) => showRefusal('Could not be undone', error),
    );
  };
  for (const offer of offers) notifications.hide(offer.id);
  offers = [...offers.slice(1 - offersMax), { id, take }];
  notifications.show({
    id,
    closeButtonProps,
    autoClose: undoMs,
    message: (
      <Group justify="space-between" gap={6}>
        <Text size="sm" flex="1 1 110px" className="message">
          {message}
        </Text>
        <Button variant="light" onClick={() => offers.at(-1)?.id === id && take()}>
          Undo
        </Button>
      </Group>
    ),
  });
}

/** Undoes the last action that can be undone, and on the next call the one before. */
export function undoLast(): void {
  offers.at(-1)?.take();
}

/**
 * Reports a failure and its reason; with `isKept`, that of something that stays where it was typed. The title says what was not done, and is
 * left out where nobody can know that. It stays until it is closed or twelve seconds have passed.
 */
export function showRefusal(title: string, error: unknown, { isKept = false } = {}): void {
  const isUncertain = error instanceof Refusal && error.isUncertain;
  const message = <ErrorText error={error} isKept={isKept} />;
  notifications.show({
    color: 'red',
    className: 'refusal',
    title: isUncertain ? 'No answer came' : title,
    message,
    closeButtonProps,
    autoClose: 12_000,
  });
}

/** Reports a success; a longer sentence stays longer. */
export function showDone(message: string): void {
  notifications.show({
    closeButtonProps,
    message: <span className="message">{message}</span>,
    autoClose: message.length > 40 ? 10_000 : 4_000,
  });
}
