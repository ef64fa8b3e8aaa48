using System.Globalization;
using HotModel.Configuration;
using HotModel.Switching;

namespace HotModel.Tests.Switching;

/// <summary>Lanes and schedulers together on virtual time, by seed.</summary>
public sealed class LaneWorldTests
{
    /// <summary>"FROM-TO": others, or more of them, by hand.</summary>
    private const string SeedsVariable = "HOTMODEL_TEST_SEEDS";

    /// <summary>
    /// Clients that leave, loads that fail, models that die, explicit switches and reloads, all at once: everybody is
    /// answered within its bound, by the model that it named, and at the end nothing is left.
    /// </summary>
    [Fact]
    public void Whatever_happens_everybody_is_answered_and_nothing_is_left()
    {
        foreach (var seed in Seeds())
        {
            var chaos = new LaneChaos(seed);
            try
            {
                chaos.Run();
            }
            catch (Exception cause)
            {
                Assert.Fail($"seed {seed}: {cause}\n{string.Join('\n', chaos.World.Log.TakeLast(40))}");
            }
        }
    }

    /// <summary>
    /// The bound to the letter, however requests overlap: as long as things take no longer than expected, and one round of
    /// all models, each with one answer, takes no longer than the bound.
    /// </summary>
    [Fact]
    public void Nobody_waits_longer_than_the_bound_where_one_round_of_all_models_fits_into_it()
    {
        foreach (var seed in Seeds())
        {
            var world = Steady(new Random(seed));
            world.Run(TimeSpan.FromHours(1));
            Assert.True(world.Present.Count == 0, $"seed {seed}: {world.Present.Count} are left");
            var longest = world.Clients.MaxBy(client => client.Waited)!;
            Assert.True(longest.Waited <= world.Config.Server.QueueMaxWait,
                $"seed {seed}: {longest} waited {longest.Waited} of {world.Config.Server.QueueMaxWait}\n{string.Join('\n', world.Log)}");
        }
    }

    private static IEnumerable<int> Seeds()
    {
        var range = (Environment.GetEnvironmentVariable(SeedsVariable) ?? "0-199").Split('-')
            .Select(number => int.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        return Enumerable.Range(range[0], range[1] - range[0] + 1);
    }

    private static LaneWorld Steady(Random random)
    {
        var modelsMax = random.Next(1, 4);
        string[] names = [.. "abcdef".Take(modelsMax + random.Next(1, 4)).Select(letter => letter.ToString())];
        // No longer than what is expected before the first measurement.
        var answer = Seconds(0.5, 10);
        var models = names.ToDictionary(name => name, _ => new WorldModel(Seconds(0.5, 10), Seconds(0.1, 1)));
        var config = TestConfig.Create(names);
        // After one measurement twice as much is allowed for.
        var round = names.Length * (2 * TimeSpan.FromSeconds(21));
        var policy = random.Next(2) == 0 ? SwitchPolicy.Auto : SwitchPolicy.MakeBeforeBreak;
        var world = new LaneWorld(
            config with
            {
                Server = config.Server with
                {
                    SwitchPolicy = policy,
                    ModelsMax = modelsMax,
                    QueueMaxWait = round,
                    QueueTimeout = 10 * round,
                    QueueLimit = 10_000,
                    QueueLimitPerModel = 10_000,
                },
            }, models, random.Next(3) == 0 ? null : "a", random)
        {
            // Where both must fit, they do.
            Memory = policy == SwitchPolicy.Auto && random.Next(2) == 0 ? modelsMax : modelsMax + 1,
        };
        foreach (var name in names)
        {
            var every = answer * Math.Pow(10, random.NextDouble() * 2.5 - 1);
            var at = TimeSpan.Zero;
            for (var i = 0; i < 60 && at < 4 * round; i++)
                world.In(at += -Math.Log(1 - random.NextDouble()) * every, () => world.Arrive(new RequestAsk { Model = name }, answer));
        }
        return world;

        TimeSpan Seconds(double least, double most) => TimeSpan.FromSeconds(least + random.NextDouble() * (most - least));
    }
}
