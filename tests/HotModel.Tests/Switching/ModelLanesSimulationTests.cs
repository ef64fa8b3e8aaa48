using HotModel.Configuration;
using HotModel.Switching;

namespace HotModel.Tests.Switching;

/// <summary>Seeded: whatever happens in whatever order, everybody is answered and the lanes come to rest.</summary>
public sealed class ModelLanesSimulationTests
{
    private const int Seeds = 150;
    private const int Steps = 150;
    private static readonly string[] Models = ["a", "b", "c", "d"];

    [Theory]
    [InlineData(SwitchPolicy.MakeBeforeBreak, 1)]
    [InlineData(SwitchPolicy.MakeBeforeBreak, 2)]
    [InlineData(SwitchPolicy.Auto, 1)]
    [InlineData(SwitchPolicy.Auto, 3)]
    internal void Everybody_is_answered_and_no_lane_is_left(SwitchPolicy policy, int modelsMax)
    {
        for (var seed = 0; seed < Seeds; seed++)
        {
            try
            {
                Run(policy, modelsMax, new Random(seed));
            }
            catch (Exception cause)
            {
                throw new InvalidOperationException($"seed {seed}: {cause.Message}", cause);
            }
        }
    }

    private static void Run(SwitchPolicy policy, int modelsMax, Random random)
    {
        var s = new LaneSimulation(LaneSimulation.Config(policy, modelsMax))
        {
            Place = _ => new LanePlace(policy == SwitchPolicy.MakeBeforeBreak || random.Next(3) > 0, random.Next(8) == 0 ? "No." : null),
        };
        var clients = new List<LaneSimulation.Client>();
        var switches = new List<Task<SwitchReport>>();
        for (var i = 0; i < Steps; i++)
        {
            Step(s, clients, switches, random);
            Assert.InRange(s.Lanes.Loops.Count, 1, modelsMax + 1);
        }
        // Whoever waits for an answer gets it, in time.
        for (var i = 0; i < 100 && (i < 20 || clients.Count > 0 || s.Lanes.Status.Switching); i++)
        {
            s.Finish();
            foreach (var client in clients.FindAll(c => c.IsAnswered))
            {
                s.Do(() => client.EndIfLet());
                clients.Remove(client);
            }
            s.Advance(TimeSpan.FromSeconds(20));
        }
        Assert.Empty(clients);
        Assert.True(SpinWait.SpinUntil(() => switches.TrueForAll(report => report.IsCompleted), TimeSpan.FromSeconds(5)),
            $"switches are left: {s.Lanes.Status} {string.Join(' ', s.Lanes.Loops.Select(loop => loop.State))}");
        Assert.Equal((0, 0), (s.Lanes.Status.InflightChats, s.Lanes.Status.WaitingChats));
        Assert.InRange(s.Lanes.Loops.Count, 1, modelsMax);
        Assert.Equal(s.Loaded.Distinct(), s.Loaded);
        s.Do(s.Lanes.Stop);
        s.Finish();
        Assert.All(s.Lanes.Loops, loop => Assert.Equal(SwitchPhase.Stopped, loop.State.Phase));
        Assert.All(s.Backends, backend => Assert.Null(backend.Loaded));
    }

    private static void Step(
        LaneSimulation s, List<LaneSimulation.Client> clients, List<Task<SwitchReport>> switches, Random random)
    {
        switch (random.Next(12))
        {
            case < 4:
                clients.Add(s.Arrive(random.Next(3) == 0 ? null : Models[random.Next(Models.Length)]));
                break;
            case < 7 when clients.Count > 0:
                var client = clients[random.Next(clients.Count)];
                clients.Remove(client);
                s.Do(() => client.EndOrLeave());
                break;
            case 7:
                switches.Add(s.Switch(Models[random.Next(Models.Length)], random.Next(3) == 0, TimeSpan.FromSeconds(random.Next(60))));
                break;
            case 8 when s.Backends.FirstOrDefault(b => b.Loaded is not null && !b.IsBusy) is { } backend && random.Next(3) == 0:
                s.Do(backend.Lose);
                break;
            case 9:
                s.Advance(TimeSpan.FromSeconds(random.Next(30)));
                break;
            default:
                s.FinishOne(random.Next(6) > 0);
                break;
        }
    }
}
