import { Dialog } from '@aether/ui/Dialog.tsx';
import { formatMoney } from '@aether/ui/formats.ts';
import { describeTier } from '@aether/ui/tiers.ts';
import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { customerQuery } from '../api/customers.ts';
import { tiersQuery } from '../api/tiers.ts';
import { TierInput } from '../inputs/TierInput.tsx';
import type { Moves } from './useMoves.ts';

/** The dialog that closes a deal. For a won deal it asks for the customer's new tier. */
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
  return (
    <Dialog
      title={outcome === 'won' ? 'Close as won' : 'Close as lost'}
      verb={outcome === 'won' ? 'Close as won' : 'Close as lost'}
      save={() => moves.close(deal, outcome, outcome === 'won' && tier ? tier : undefined)}
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
            <Text size="sm" c="dimmed">
              It leaves the board. It can be opened again from its page.
            </Text>
          )}
        </>
      )}
    </Dialog>
  );
}
