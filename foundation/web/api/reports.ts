import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import type { InferResponseType } from 'hono/client';
import { currencyRates, lossReasons, reportSettings, reports } from './clients.ts';

export type ReportFilters = { pipeline?: number; owner?: string };
/** Days of a time zone. */
export type Asked = ReportFilters & { from: string; to: string; zone: string };

const asText = ({ pipeline, ...rest }: Asked) => ({ ...rest, pipeline: pipeline?.toString() });
const nowOf = ({ owner, pipeline, zone }: Asked) => ({ owner, zone, pipeline: pipeline?.toString() });
const options = { placeholderData: keepPreviousData, staleTime: 15_000 } as const;

export const pipelineReportQuery = (asked: Asked) =>
  queryOptions({
    ...options,
    queryKey: ['reports', 'pipeline', nowOf(asked)],
    queryFn: ({ signal }) => read(reports.pipeline.$get({ query: nowOf(asked) }, { init: { signal } })),
  });
export const outcomeReportQuery = (asked: Asked) =>
  queryOptions({
    ...options,
    queryKey: ['reports', 'outcomes', asked],
    queryFn: ({ signal }) => read(reports.outcomes.$get({ query: asText(asked) }, { init: { signal } })),
  });
export const forecastReportQuery = (asked: Asked) =>
  queryOptions({
    ...options,
    queryKey: ['reports', 'forecast', nowOf(asked)],
    queryFn: ({ signal }) => read(reports.forecast.$get({ query: nowOf(asked) }, { init: { signal } })),
  });
export const lossReportQuery = (asked: Asked) =>
  queryOptions({
    ...options,
    queryKey: ['reports', 'losses', asked],
    queryFn: ({ signal }) => read(reports.losses.$get({ query: asText(asked) }, { init: { signal } })),
  });

export type OutcomeReport = InferResponseType<typeof reports.outcomes.$get, 200>;
export type ForecastReport = InferResponseType<typeof reports.forecast.$get, 200>;
export type PipelineReport = InferResponseType<typeof reports.pipeline.$get, 200>;
export type LossReport = InferResponseType<typeof reports.losses.$get, 200>;
export type ClosedSum = LossReport['total'];
export type DealSum = PipelineReport['total'];

export const lossReasonsQuery = queryOptions({
  queryKey: ['loss-reasons'],
  queryFn: ({ signal }) => read(lossReasons.$get({}, { init: { signal } })),
  staleTime: 60_000,
});
export type LossReason = InferResponseType<typeof lossReasons.$get, 200>['reasons'][number];
const byId = (id: number) => ({ param: { id: String(id) } });
export const createLossReason = (name: string) => read(lossReasons.$post({ json: { name } }));
export const changeLossReason = (id: number, json: { name?: string; is_retired?: boolean }) =>
  read(lossReasons[':id'].$patch({ ...byId(id), json }));
export const deleteLossReason = (id: number) => read(lossReasons[':id'].$delete(byId(id)));

export const reportSettingsQuery = (zone: string) =>
  queryOptions({
    queryKey: ['report-settings', zone],
    queryFn: ({ signal }) => read(reportSettings.$get({ query: { zone } }, { init: { signal } })),
  });
export const changeReportSettings = (json: { currency: string; expected_version: number }) =>
  read(reportSettings.$patch({ json }));

export const ratesQuery = listOptions(['currency-rates'] as const, (cursor, signal) =>
  read(currencyRates.$get({ query: { cursor } }, { init: { signal } })),
);
export type Rate = InferResponseType<typeof currencyRates.$get, 200>['rates'][number];
export const keepRates = (rates: { currency: string; valid_from: string; rate: string }[]) =>
  read(currencyRates.$put({ json: { rates } }));
export const keepRateFile = (csv: string) => read(currencyRates.csv.$post({ json: { csv } }));
export const deleteRate = ({ currency, valid_from }: Rate) =>
  read(currencyRates[':currency'][':valid_from'].$delete({ param: { currency, valid_from } }));
