import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { dayOf, formatDay, formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { ownZone } from '@aether/ui/reports/spans.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { ActionIcon, Button, FileButton, Text, TextInput } from '@mantine/core';
import { IconPlus, IconTrash, IconUpload } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import {
  changeReportSettings,
  deleteRate,
  keepRateFile,
  keepRates,
  type Rate,
  ratesQuery,
  reportSettingsQuery,
} from '../api/reports.ts';
import { useCurrencies } from '../deals/currencies.ts';
import { AdminOnly } from './AdminOnly.tsx';
import classes from './settings.module.css';

/** The reporting currency and the rates that lead into it, for administrators. */
export function CurrenciesPage() {
  return (
    <AdminOnly>
      <PageHead title="Currencies" />
      <div className={classes.page}>
        <p className={classes.intro}>
          Reports say sums in one currency. A rate holds from its day until the next one of its currency: a closed deal
          counts at the rate of the day of its closing, an open one at today’s. Deals without a rate are counted apart.
        </p>
        <LastChanged kind="currency" />
        <Rates />
      </div>
    </AdminOnly>
  );
}

function Rates() {
  const client = useQueryClient();
  const codes = useCurrencies();
  const settings = useQuery(reportSettingsQuery(ownZone()));
  const rates = useInfiniteQuery(ratesQuery);
  const [isAdding, setAdding] = useState(false);
  const refresh = () => {
    for (const key of ['report-settings', 'currency-rates', 'reports'])
      void client.invalidateQueries({ queryKey: [key] });
  };
  const choosing = useMutation({
    mutationFn: (currency: string) =>
      changeReportSettings({ currency, expected_version: settings.data?.version as number }),
    onSuccess: ({ currency }) => showDone(`Reports are in ${currency} now.`),
    onSettled: refresh,
    onError: (refusal) => showRefusal('The reporting currency was not changed', refusal),
  });
  const uploading = useMutation({
    mutationFn: async (file: File) => keepRateFile(await file.text()),
    onSuccess: ({ kept }) => showDone(kept === 1 ? '1 rate was kept.' : `${formatNumber(kept)} rates were kept.`),
    onSettled: refresh,
    onError: (refusal) => showRefusal('No rate of the file was kept', refusal),
  });
  const removing = useMutation({
    mutationFn: deleteRate,
    onSettled: refresh,
    onError: (refusal) => showRefusal('The rate was not removed', refusal),
  });
  const error = settings.error ?? rates.error;
  if (!settings.data || !rates.data)
    return error ? (
      <ErrorNotice
        title="The rates could not be loaded"
        error={error}
        onRetry={() => Promise.all([settings.refetch(), rates.refetch()])}
      />
    ) : (
      <Waiting lines={5} />
    );
  const { currency, unpriced } = settings.data;
  const rows = rates.data.pages.flatMap((page) => page.rates);
  return (
    <>
      <Picker
        label="Reporting currency"
        description="The rates that lead into another currency are kept, and count again when it is chosen again."
        maw={360}
        data={codes}
        value={currency}
        disabled={choosing.isPending}
        onChange={(code) => code && choosing.mutate(code)}
      />
      {unpriced.length > 0 && (
        <Text size="sm" mt="sm" role="status">
          Without a rate today:{' '}
          {unpriced
            .map(({ currency: code, deals }) => `${code} (${formatNumber(deals)} ${deals === 1 ? 'deal' : 'deals'})`)
            .join(', ')}
          .
        </Text>
      )}
      <section aria-label="Rates">
        <h2 className={classes.title}>
          Rates into {currency}
          <Button variant="subtle" leftSection={<IconPlus size={15} />} onClick={() => setAdding(true)}>
            New rate
          </Button>
          <FileButton accept=".csv,text/csv,text/plain" onChange={(file) => file && uploading.mutate(file)}>
            {(props) => (
              <Button {...props} variant="subtle" leftSection={<IconUpload size={15} />} loading={uploading.isPending}>
                From a CSV file
              </Button>
            )}
          </FileButton>
        </h2>
        <p className={classes.intro}>
          A file has a first line with currency, valid_from and rate, and a line for each rate, such as USD, 2026-01-01,
          0.9215. A rate of the same currency and day is replaced.
        </p>
        {rows.length === 0 && <p className={classes.intro}>None yet.</p>}
        <ul className={classes.list}>
          {rows.map((rate) => (
            <li key={`${rate.currency} ${rate.valid_from}`} className={classes.row}>
              <span className={classes.name}>
                1 {rate.currency} = {rate.rate} {rate.base}{' '}
                <span className={classes.detail}>from {formatDay(rate.valid_from)}</span>
              </span>
              <ActionIcon
                aria-label={`Remove the rate of ${rate.currency} from ${formatDay(rate.valid_from)}`}
                disabled={removing.isPending}
                onClick={() => removing.mutate(rate)}
              >
                <IconTrash size={15} />
              </ActionIcon>
            </li>
          ))}
        </ul>
        {rates.hasNextPage && (
          <Button mt="sm" variant="default" loading={rates.isFetchingNextPage} onClick={() => rates.fetchNextPage()}>
            Show older rates
          </Button>
        )}
      </section>
      {isAdding && (
        <RateDialog
          base={currency}
          codes={codes.filter((code) => code !== currency)}
          first={unpriced[0]?.currency ?? 'USD'}
          onSaved={refresh}
          onClose={() => setAdding(false)}
        />
      )}
    </>
  );
}

type RateDialogProps = {
  base: string;
  codes: string[];
  first: string;
  onSaved: () => void;
  onClose: () => void;
};

function RateDialog({ base, codes, first, onSaved, onClose }: RateDialogProps) {
  const draft = useDraft<Omit<Rate, 'base'>>('new-rate', { currency: first, valid_from: dayOf(new Date()), rate: '' });
  const { currency, valid_from, rate } = draft.value;
  return (
    <Dialog
      title="New rate"
      verb="Keep"
      draft={draft}
      faults={findMissing({ rate, valid_from }, { rate: 'Write the rate.', valid_from: 'Choose a day.' })}
      save={() => keepRates([{ currency, valid_from, rate: rate.trim().replace(',', '.') }])}
      onSaved={() => {
        onSaved();
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Picker
            label="Currency"
            name="currency"
            data={codes}
            value={currency}
            error={errors['rates.0.currency'] ?? errors['rates.0']}
            onChange={(code) => code && draft.change({ currency: code })}
          />
          <TextInput
            label="Holds from"
            name="valid_from"
            type="date"
            value={valid_from}
            error={errors.valid_from ?? errors['rates.0.valid_from']}
            onChange={(event) => draft.change({ valid_from: event.currentTarget.value })}
          />
          <TextInput
            label={`1 ${currency} in ${base}`}
            name="rate"
            inputMode="decimal"
            withAsterisk
            data-autofocus
            value={rate}
            error={errors.rate ?? errors['rates.0.rate']}
            onChange={(event) => draft.change({ rate: event.currentTarget.value })}
          />
        </>
      )}
    </Dialog>
  );
}
