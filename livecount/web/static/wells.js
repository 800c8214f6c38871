// An experiment's wells in the browser: fetched whole, then kept up to date count by count.
import { ask, floats } from "/static/api.js";
import { listen } from "/static/live.js";

export async function followWells(experiment, { onAll, onTracks, onProblem }) {
  let plate = null;
  let loading = false;
  let again = false;

  async function load() {
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    try {
      const found = await ask(`experiments/${experiment}/plate`);
      for (const well of found.wells) {
        for (const kind of ["growth", "confluence"]) {
          well[kind] = { hours: floats(well[kind].hours), values: floats(well[kind].values) };
        }
      }
      plate = found;
      onAll(plate);
    } catch (problem) {
      onProblem(problem);
      if (problem.status !== 404) setTimeout(load, 3000);
    } finally {
      loading = false;
      if (again) {
        again = false;
        load();
      }
    }
  }

  await load();
  listen(experiment, {
    onSnapshot: (number) => {
      if (!plate || number !== plate.snapshot) load();
    },
    onCounts: ({ snapshot, tracks }) => {
      if (!plate || snapshot !== plate.snapshot) return;
      const changed = [];
      for (const [key, end] of Object.entries(tracks)) {
        const well = plate.wells[Number(key)];
        if (!well) continue;
        well.growth = { hours: joined(well.growth.hours, end.keep, end.hours), values: joined(well.growth.values, end.keep, end.values) };
        well.latestFrame = end.frame;
        changed.push(well);
      }
      onTracks(changed);
    },
  });
}

export function joined(old, keep, added) {
  const made = new Float32Array(keep + added.length);
  made.set(old.subarray(0, keep));
  made.set(added, keep);
  return made;
}
