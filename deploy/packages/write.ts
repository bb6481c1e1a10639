import { buildPackages, builtFolder, packPackages } from './build.ts';

for (const tarball of packPackages(buildPackages(), builtFolder)) console.log(tarball);
