using HotModel.Scheduling;

namespace HotModel.Tests.Scheduling;

public class SchedulerSimulationTests
{
    [Fact]
    public void Explore()
    {
        foreach (var family in Enum.GetValues<Family>())
        {
            int online = 0, best = 0, bestW = 0, infeasible = 0; double worst = 0; var waits = new List<double>(); double excess = 0;
            for (var seed = 1; seed <= 300; seed++)
            {
                var s = Make(family, seed);
                s.Run();
                var reqs = s.Fates.Select(f => f.Request).ToList();
                var longest = s.Fates.Max(f => f.Waited);
                Assert.All(s.Fates, f => Assert.NotNull(f.AdmittedAt));
                waits.AddRange(s.Fates.Select(f => f.Waited.TotalSeconds));
                var bound = longest > s.Rules.MaxWait ? longest : s.Rules.MaxWait;
                var o = HindsightOptimum.Switches(reqs, Models[s], "a", bound)!.Value;
                var w = HindsightOptimum.Switches(reqs, Models[s], "a", s.Rules.MaxWait);
                if (w is null) infeasible++;
                online += s.Switches; best += o; bestW += w ?? o;
                Assert.True(o <= s.Switches);
                worst = Math.Max(worst, (s.Switches - 1.0) / Math.Max(1, o));
                excess = Math.Max(excess, longest.TotalSeconds);
            }
            waits.Sort();
            Console.WriteLine($"{family,-12} n={waits.Count} online={online} best={best} ratio={online / (double)best:0.00} bestW={bestW} infeasible={infeasible} worst={worst:0.00} mean={waits.Average():0.0} p50={waits[waits.Count / 2]:0.0} p99={waits[(int)(waits.Count * .99)]:0.0} max={waits[^1]:0.0}");
        }
    }

    private enum Family { Sparse, Streams, Bursts, Agents, Agents3, Overlap, OneShots, Mixed }

    private static readonly Dictionary<SchedulerSimulation, Dictionary<string, SimulatedModel>> Models = [];

    private static SchedulerSimulation Make(Family family, int seed)
    {
        var w = new Workload(seed * 31 + (int)family);
        var models = w.Models(family is Family.Agents3 or Family.Sparse ? 3 : w.Random.Next(2, 4), 15);
        var until = TimeSpan.FromMinutes(5);
        var s = new SchedulerSimulation(Workload.Rules(), models, "a", $"{family} {seed}");
        Models[s] = models;
        foreach (var (i, name) in models.Keys.Index())
        {
            switch (family)
            {
                case Family.Sparse: foreach (var r in w.Poisson(name, 40, 3, until)) s.Add(r); break;
                case Family.Streams: foreach (var r in w.Poisson(name, 8, 4, until)) s.Add(r); break;
                case Family.Bursts: foreach (var r in w.Bursts(name, 40, 4, until)) s.Add(r); break;
                case Family.Agents or Family.Agents3: s.Add(w.Agent(name, w.Seconds(0, 20), 20, 4, 2)); break;
                case Family.Overlap:
                    if (i == 0) foreach (var _ in Enumerable.Range(0, 3)) s.Add(w.Agent(name, w.Seconds(0, 2), 30, 5, 0.1));
                    else foreach (var r in w.Poisson(name, 30, 4, until)) s.Add(r);
                    break;
                case Family.OneShots:
                    foreach (var r in w.Poisson(name, 120, 3, until)) s.Add(r); break;
                case Family.Mixed:
                    if (w.Random.Next(2) == 0) s.Add(w.Agent(name, w.Seconds(0, 20), 20, 4, 2));
                    if (w.Random.Next(2) == 0) foreach (var r in w.Poisson(name, 25, 4, until)) s.Add(r);
                    if (w.Random.Next(2) == 0) foreach (var r in w.Bursts(name, 60, 4, until)) s.Add(r);
                    break;
            }
        }
        if (!s.HasWork) s.Add(new SimulatedRequest(TimeSpan.FromSeconds(1), "b", TimeSpan.FromSeconds(1)));
        return s;
    }
}
