import { Dialog } from '@aether/ui/Dialog.tsx';
import { formatMoney } from '@aether/ui/formats.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { describeTier } from '@aether/ui/tiers.ts';
import { Text, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { customerQuery } from '../api/customers.ts';
import { lossReasonsQuery } from '../api/reports.ts';
import { tiersQuery } from '../api/tiers.ts';
import { TierInput } from '../inputs/TierInput.tsx';
import type { Moves } from './useMoves.ts';

/** The dialog that closes a deal. For a won deal it asks for the customer's new tier, for a lost one why. */
export function CloseDialog({ moves }: { moves: Moves }) {
  if (!moves.closing) return null;
  const { deal, outcome } = moves.closing;
  return <CloseForm key={deal.id} deal={deal} outcome={outcome} moves={moves} />;
}

type CloseFormProps = NonNullable<Moves['closing']> & { moves: Moves };

function CloseForm({ deal, outcome, moves }: CloseFormProps) {
  const { data } = useQuery(customerQuery(deal.customer_id));
  const { data: known } = useQuery(tiersQuery);
  const key = data?.customer.account_tier;
  const present = key ? describeTier(key, known?.tiers).label : null;
  const [tier, setTier] = useState<string | null>(null);
  const { data: listed } = useQuery({ ...lossReasonsQuery, enabled: outcome === 'lost' });
  const [reason, setReason] = useState<string | null>(null);
  const [note, setNote] = useState('');
  const reasons = (listed?.reasons ?? [])
    .filter(({ is_retired }) => !is_retired)
    .map(({ id, name }) => ({ value: String(id), label: name }));
  return (
    <Dialog
      title={outcome === 'won' ? 'Close as won' : 'Close as lost'}
      verb={outcome === 'won' ? 'Close as won' : 'Close as lost'}
      save={() =>
        moves.close(
          deal,
          outcome === 'won'
            ? { outcome, ...(tier && { tier }) }
            : {
                outcome,
                ...(reason !== null && { reason_id: Number(reason) }),
                ...(note.trim() !== '' && { reason_note: note }),
              },
        )
      }
      onSaved={() => moves.setClosing(undefined)}
      onClose={() => moves.setClosing(undefined)}
    >
      {(errors) => (
        <>
          <Text size="sm">
            <b>{deal.name}</b>, {formatMoney(deal.amount, deal.currency)}, with {deal.customer.name}.
          </Text>
          {outcome === 'won' ? (
            <TierInput
              label={`The tier of ${deal.customer.name} from now on`}
              description={
                present ? `Now ${present}. Leave it empty to keep it.` : 'None so far. Leave it empty to keep it so.'
              }
              placeholder={present ?? 'None'}
              name="tier"
              data-autofocus
              value={tier}
              error={errors.tier}
              onChange={setTier}
            />
          ) : (
            <>
              <Picker
                label="Why was it lost?"
                name="reason_id"
                placeholder="No reason given"
                clearable
                data-autofocus
                data={reasons}
                value={reason}
                error={errors.reason_id}
                onChange={setReason}
              />
              <Textarea
                label="In words"
                name="reason_note"
                description="What would help with the next one. Everybody who sees the deal can read it."
                autosize
                minRows={2}
                maxRows={6}
                maxLength={1000}
                value={note}
                error={errors.reason_note}
                onChange={(event) => setNote(event.currentTarget.value)}
              />
              <Text size="sm" c="dimmed">
                It leaves the board. It can be opened again from its page.
              </Text>
            </>
          )}
        </>
      )}
    </Dialog>
  );
}
