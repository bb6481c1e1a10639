import { Button, Group, Input, Stack, Switch, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Dialog } from '../Dialog.tsx';
import { askForDesktop, isDesktopAllowed } from '../desktop.ts';
import { playNotes } from '../sound.ts';
import { showDone } from '../toasts.tsx';
import { useWishes } from './wishes.ts';

type AttentionDialogProps = {
  personId: string;
  app: string;
  /** The app has conversations that nobody has. */
  hasUnassigned?: boolean;
  onClose: () => void;
};

/** How a person is told of what waits, on this device. */
export function AttentionDialog({ personId, app, hasUnassigned = false, onClose }: AttentionDialogProps) {
  const [kept, keep] = useWishes(personId);
  const [wishes, setWishes] = useState(kept);
  const change = (part: Partial<typeof wishes>) => setWishes({ ...wishes, ...part });
  const isHalf = (wishes.quietFrom === '') !== (wishes.quietTo === '');
  return (
    <Dialog
      title="Sound and notifications"
      verb="Save"
      faults={isHalf ? { [wishes.quietFrom === '' ? 'quietFrom' : 'quietTo']: 'Give both times, or neither.' } : {}}
      save={async () => {
        if (wishes.desktop) askForDesktop();
        keep(wishes);
      }}
      onSaved={() => {
        onClose();
        showDone('Saved for this device.');
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Group justify="space-between" wrap="nowrap">
            <Switch
              label="A sound"
              checked={wishes.sound}
              onChange={({ currentTarget }) => change({ sound: currentTarget.checked })}
              data-autofocus
            />
            <Button size="compact-sm" variant="default" onClick={() => void playNotes()}>
              Play it
            </Button>
          </Group>
          <Switch
            label="A notification of the desktop"
            description={
              isDesktopAllowed() === false
                ? 'This browser refuses notifications of this address. Allow them in its settings for the site.'
                : `While no tab of ${app} is in sight. The browser asks you once.`
            }
            checked={wishes.desktop}
            onChange={({ currentTarget }) => change({ desktop: currentTarget.checked })}
          />
          {hasUnassigned && (
            <Switch
              label="Also for conversations that nobody has"
              description="While you are online."
              checked={wishes.unassigned}
              onChange={({ currentTarget }) => change({ unassigned: currentTarget.checked })}
            />
          )}
          <Input.Wrapper
            labelElement="div"
            label="Quiet hours"
            description="By this device’s clock: no sound and no notification. The number in the tab’s title stays."
          >
            <Stack gap={8} mt={6}>
              <Group gap={8} wrap="nowrap" align="start">
                <TextInput
                  type="time"
                  name="quietFrom"
                  aria-label="Quiet from"
                  value={wishes.quietFrom}
                  error={errors.quietFrom}
                  onChange={({ currentTarget }) => change({ quietFrom: currentTarget.value })}
                />
                <TextInput
                  type="time"
                  name="quietTo"
                  aria-label="Quiet until"
                  value={wishes.quietTo}
                  error={errors.quietTo}
                  onChange={({ currentTarget }) => change({ quietTo: currentTarget.value })}
                />
              </Group>
            </Stack>
          </Input.Wrapper>
        </>
      )}
    </Dialog>
  );
}
