import { formatNumber } from '@aether/ui/formats.ts';
import { useMayChange } from '@aether/ui/reading.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type ActOutcome, changeCustomers } from '../api/acts.ts';
import { newcomersQuery } from '../api/companies.ts';
import type { CompanyRecord } from '../api/records.ts';
import { OutcomeDialog } from '../customers/OutcomeDialog.tsx';
import { tellLost, tellOutcome } from '../customers/tellOutcome.ts';
import classes from './company.module.css';

/** Offers to take in the customers without a company whose address is at the company's domain, all in one act that can be undone. */
export function Newcomers({ company }: { company: CompanyRecord['company'] }) {
  const client = useQueryClient();
  const { data } = useQuery(newcomersQuery(company.id));
  const [told, setTold] = useState<ActOutcome>();
  const mayChange = useMayChange();
  const domain = data?.domain ?? undefined;
  const taking = useMutation({
    mutationFn: (id: string) =>
      changeCustomers({ matching: { no_company_at: domain } }, { company_id: company.id }, id),
    onSuccess: (outcome) => {
      for (const name of ['customers', 'company-customers', 'company-newcomers', 'company', 'companies'])
        void client.invalidateQueries({ queryKey: [name] });
      tellOutcome(`are of ${company.name}`, outcome, { client, onRefused: setTold });
    },
    onError: (error, id) => {
      if (error instanceof Refusal && error.isUncertain) tellLost(id, client);
      else showRefusal('Nobody was taken in', error);
    },
  });
  if (!data || data.count === 0)
    return told ? <OutcomeDialog outcome={told} onClose={() => setTold(undefined)} /> : null;
  const many = `${formatNumber(data.count)}${data.is_more ? ' or more' : ''}`;
  return (
    <div className={classes.offer}>
      <span>
        <Link to="/customers" search={{ no_company_at: domain }}>
          {many} {data.count === 1 ? 'customer' : 'customers'}
        </Link>{' '}
        with an address at {domain} {data.count === 1 ? 'has' : 'have'} no company.
      </span>
      {!mayChange ? null : data.is_more ? (
        <span className={classes.detail}>They are too many for one act: choose some of them in the list.</span>
      ) : (
        <Button
          size="compact-sm"
          variant="light"
          loading={taking.isPending}
          onClick={() => taking.mutate(crypto.randomUUID())}
        >
          {data.count === 1 ? 'Take the customer in' : `Take all ${many} in`}
        </Button>
      )}
      {told && <OutcomeDialog outcome={told} onClose={() => setTold(undefined)} />}
    </div>
  );
}
