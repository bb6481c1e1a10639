import { Button, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { describeError } from './refusal.ts';

type Undo = { message: string; undo: () => Promise<unknown> };
type Offer = { id: string; take: () => void };

/** What can be taken back, the latest last. Only the latest is on the screen; Ctrl+Z reaches the others. */
let offers: Offer[] = [];
const offersMax = 20;
const undoMs = 10_000;

/** Says what was done, with a way back. */
export function showUndo({ message, undo }: Undo): void {
  const id = crypto.randomUUID();
  const take = () => {
    notifications.hide(id);
    offers = offers.filter((offer) => offer.id !== id);
    undo().then(
      () => showDone('Undone.'),
      (error) => showRefusal('Could not be undone', error),
    );
  };
  for (const offer of offers) notifications.hide(offer.id);
  offers = [...offers.slice(1 - offersMax), { id, take }];
  notifications.show({
    id,
    autoClose: undoMs,
    message: (
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">{message}</Text>
        <Button variant="light" flex="none" onClick={take}>
          Undo
        </Button>
      </Group>
    ),
  });
}

/** Takes back the last thing that can be; then the one before. */
export function undoLast(): void {
  offers.at(-1)?.take();
}

/** Says that something was not done, and why. Stays until it is closed or twelve seconds have passed. */
export function showRefusal(title: string, error: unknown): void {
  notifications.show({ color: 'red', title, message: describeError(error), autoClose: 12_000 });
}

/** Says that something was done. */
export function showDone(message: string): void {
  notifications.show({ message, autoClose: 4_000 });
}
