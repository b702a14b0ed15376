"""What must be true after the soak."""

import contextlib

import light

#: how long before a death a pop or an upload may have been under way
AROUND = 5.0
#: how much more there may be than before
MORE = {"descriptors": 6, "private dirty, MB": 6.0, "processes": 0, "zombies": 0, "sockets": 0,
        "temporary files": 0, "state, files": 4, "state, MB": 2.0}
#: what is remembered of each run for seven days: files, bytes of the store; its output for one
FILES_PER_RUN, BYTES_PER_RUN = 2, 2048
STORE = 4.0  # MB that the store may have more besides: its log, free pages


def judge(place, soak, before, after):
    """Prints what was done; a list of what is wrong."""
    wrong = []
    asked = place.plane.requests(limit=10 ** 7)["requests"]
    deaths = sorted(place.deaths)

    def near(at, *roles):
        return any(what.startswith(roles) and -1.0 < t - at < AROUND for t, what in deaths)

    lost = [r for r in asked if not r["accepted"]]
    twice = [r for r in asked if r["accepted"] > 1]
    for r in lost:
        if not r["pops"] or not near(r["pops"][0], "poller", "agent"):
            wrong.append(f"never answered, and no poller died then: {r}")
    for r in twice:
        if not near(r["answered"], "reporter", "agent"):
            wrong.append(f"answered {r['accepted']} times, and no reporter died then: {r}")
        texts = place.plane.answer(id=r["id"])["answers"]
        if len(set(texts)) > 1:
            wrong.append(f"two different answers: {r}")
    wrong += [f"an answer was refused: {r}" for r in asked if r["rejected"]]

    by_id = {r["id"]: r for r in asked}
    never, unstarted = 0, []
    for run, (request, _) in soak.runs.items():
        starts = light.started(place.marks, run)
        if starts > 1:
            wrong.append(f"run {run} was started {starts} times")
        if starts == 0:
            never += 1
            if by_id[request]["accepted"]:
                unstarted.append((run, request))
    for run, request in unstarted:
        answer = place.plane.answer(id=request)["response"]
        if answer["__class__"] == "DagsterCloudApiSuccess" and run not in place.killed:
            wrong.append(f"run {run} was never started, and its launch was answered well")

    runs = len(soak.runs)
    allowed = {**{k: before[k] + more for k, more in MORE.items()},
               "run markers": before["run markers"] + FILES_PER_RUN * runs,
               "run outputs": before["run outputs"] + runs,
               "state.db, MB": before["state.db, MB"] + STORE + BYTES_PER_RUN * runs / 1e6}
    print(f"\n{'':<20} {'before':>9} {'after':>9} {'allowed':>9}")
    for name, most in allowed.items():
        print(f"{name:<20} {before[name]:>9.5g} {after[name]:>9.5g} {most:>9.5g}")
        if after[name] > most:
            wrong.append(f"{name}: {before[name]:.5g} before, {after[name]:.5g} after")

    if after["descriptors"] > allowed["descriptors"]:
        for what, n in sorted((after["what they are"] - before["what they are"]).items()):
            wrong.append(f"{n} more descriptors of {what[0]}: {what[1]}")

    print("\ndone: " + ", ".join(f"{n} {what}" for what, n in soak.done.items()))
    print("killed: " + (", ".join(f"{n} x {what}" for what, n in sorted(soak.kills.items()))
                        or "nothing"))
    print(f"{len(asked)} requests in all, {len(lost)} popped and lost around the death of a "
          f"poller or the agent, {len(twice)} uploaded twice around that of a reporter or the "
          f"agent; {runs} runs, {never} never started; {soak.refused} launches were planned "
          "again since a server was just killed\n")
    with contextlib.suppress(KeyError):
        short = [w for w in soak.goal if soak.done[w] < soak.goal[w]]
        wrong += [f"only {soak.done[w]} of {soak.goal[w]} {w}" for w in short]
    return wrong
