import { formatNumber } from '@aether/ui/formats.ts';
import { List, Modal, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ActOutcome } from '../api/acts.ts';

/** Which customers an act has not changed, and why. */
export function OutcomeDialog({ outcome, onClose }: { outcome: ActOutcome; onClose: () => void }) {
  const { changed, refused_count, refused } = outcome;
  return (
    <Modal opened onClose={onClose} title={`${formatNumber(changed)} changed, ${formatNumber(refused_count)} not`}>
      <List size="sm" spacing={4}>
        {refused.map(({ customer: { id, name }, detail }) => (
          <List.Item key={id}>
            <Link to="/customers/$id" params={{ id }}>
              {name ?? 'A customer'}
            </Link>
            : {detail}
          </List.Item>
        ))}
      </List>
      {refused_count > refused.length && (
        <Text size="sm" c="dimmed" mt="sm">
          And {formatNumber(refused_count - refused.length)} more.
        </Text>
      )}
    </Modal>
  );
}
