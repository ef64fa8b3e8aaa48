using System.Diagnostics;

namespace MeasureRelay;

/// <summary>How many streams, at which pace, and for how long they are watched.</summary>
/// <param name="Name">What the tables call it.</param>
/// <param name="Streams">At once.</param>
/// <param name="EventsPerSecond">Of each stream; 0: as many as are taken.</param>
/// <param name="Seconds">Of the steady state, which begins when all streams have run for a while.</param>
/// <param name="InStep">So many streams send at the same moment, as the slots of one llama-server do.</param>
internal sealed record Scenario(string Name, int Streams, int EventsPerSecond, double Seconds, int InStep = 1);

/// <summary>What was seen in the steady state of one run.</summary>
internal sealed record RunResult(long Events, double Seconds, Cost Cost, double P50Us, double P99Us)
{
    public double EventsPerSecond => Events / Seconds;

    public double CpuSecondsPerMillion => Cost.CpuSeconds / Events * 1e6;
}

/// <summary>Opens the streams of a run and reads them. One thread.</summary>
internal sealed class LoadClient
{
    private const long Second = 1_000_000_000;
    private const long ConnectSpanNanoseconds = Second / 2;
    // The streams go on for a while, so that no end falls into the time that counts.
    private const double TailSeconds = 0.3;
    private const double EndLimitSeconds = 10;

    private readonly byte[] received = new byte[64 << 10];
    private int runs;

    /// <exception cref="InvalidOperationException">An answer was not what the upstream sent.</exception>
    public RunResult Run(Side side, Scenario scenario)
    {
        runs++;
        // The first events of a thousand streams are not the steady state.
        double ramp = scenario.Streams > 1 ? 1 : 0.4;
        var poll = new Libc.Poll();
        var streams = new Dictionary<int, ClientStream>();
        try
        {
            Open(side, scenario, ramp, poll, streams);
            long started = Stopwatch.GetTimestamp();
            long begin = started + (long)(ramp * Second);
            Read(poll, streams, begin, null);
            Cost before = side.Cost();
            long from = Stopwatch.GetTimestamp();
            var latencies = new Latencies();
            long events = Read(poll, streams, from + (long)(scenario.Seconds * Second), latencies);
            long to = Stopwatch.GetTimestamp();
            Cost after = side.Cost();
            Read(poll, streams, to + (long)(EndLimitSeconds * Second), null);
            Check(side, scenario, streams.Values, events);
            return new(events, (to - from) / 1e9, after.Since(before), latencies.Microseconds(50), latencies.Microseconds(99));
        }
        finally
        {
            foreach (ClientStream stream in streams.Values)
                stream.Dispose();
            poll.Dispose();
        }
    }

    private void Open(Side side, Scenario scenario, double ramp, Libc.Poll poll, Dictionary<int, ClientStream> streams)
    {
        long interval = scenario.EventsPerSecond == 0 ? 0 : 1_000_000 / scenario.EventsPerSecond;
        long durationMs = (long)((ramp + scenario.Seconds + TailSeconds + ConnectSpanNanoseconds / 1e9) * 1000);
        for (int i = 0; i < scenario.Streams; i++)
        {
            // Spread over the interval: events come between those of the neighbours, or of the neighbouring groups.
            int group = i - (i % scenario.InStep);
            var plan = new AnswerPlan(interval, interval * group / scenario.Streams, durationMs);
            string? session = side.HasSessions ? $"run-{runs}-{i}" : null;
            var stream = new ClientStream(side.Port, side.Path, plan.Request(side.Path, side.Port, session));
            streams.Add(stream.Handle, stream);
            poll.Watch(stream.Handle, Libc.In);
        }
    }

    /// <summary>Until that time, or until every stream has ended. The number of events.</summary>
    private long Read(Libc.Poll poll, Dictionary<int, ClientStream> streams, long until, Latencies? latencies)
    {
        long events = 0;
        int open = streams.Values.Count(s => !s.HasEnded);
        while (open > 0 && until - Stopwatch.GetTimestamp() is > 0 and long left)
        {
            int count = poll.Wait(left);
            for (int i = 0; i < count; i++)
            {
                ClientStream stream = streams[poll[i].Socket];
                int bytes = Libc.Receive(stream.Handle, received);
                if (bytes > 0)
                    events += stream.Take(received.AsSpan(0, bytes), latencies, Stopwatch.GetTimestamp());
                else if (bytes == 0)
                    stream.End();
                if (!stream.HasEnded)
                    continue;
                poll.Forget(stream.Handle);
                open--;
            }
        }
        return events;
    }

    private static void Check(Side side, Scenario scenario, IEnumerable<ClientStream> streams, long events)
    {
        string? fault = streams.Select(s => s.Fault ?? (s.HasEnded ? null : "it did not end")).FirstOrDefault(f => f is not null);
        if (fault is not null)
            throw new InvalidOperationException($"{side.Name}, {scenario.Name}: an answer is wrong: {fault}");
        if (events == 0)
            throw new InvalidOperationException($"{side.Name}, {scenario.Name}: no event came");
    }
}
