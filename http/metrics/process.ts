import { performance } from 'node:perf_hooks';
import type { Published } from './provider.ts';

/** Publishes what every process has, for as long as the metrics are open. */
export function measureProcess(metrics: Pick<Published, 'observe'>): void {
  let before = performance.eventLoopUtilization();
  metrics.observe('memory', (tell) => tell(process.memoryUsage.rss()));
  metrics.observe('processorTime', (tell) => {
    const { user, system } = process.cpuUsage();
    tell((user + system) / 1e6);
  });
  metrics.observe('eventLoop', (tell) => {
    const now = performance.eventLoopUtilization();
    tell(performance.eventLoopUtilization(now, before).utilization);
    before = now;
  });
}
