import { Button, Modal, Stack, Text } from '@mantine/core';
import { signInAddress } from './request.ts';

/** Hides the page when its sign-in has timed out, and keeps the typed text until the person has signed in again. */
export function SignInAgain() {
  return (
    <Modal
      opened
      onClose={() => {}}
      title="Your sign-in has timed out"
      withCloseButton={false}
      zIndex={1_000}
      centered
      // A person who passes by must not read the page behind the dialog.
      overlayProps={{ backgroundOpacity: 1, color: 'var(--page)' }}
      transitionProps={{ duration: 0 }}
    >
      <Stack>
        <Text size="sm">
          What you were typing is kept. Sign in again in a new tab: this page then goes on by itself.
        </Text>
        <Button component="a" href={signInAddress()} target="_blank" data-autofocus>
          Sign in again
        </Button>
      </Stack>
    </Modal>
  );
}
