using System.Collections.Immutable;
using System.Text.Json.Serialization;
using System.Threading.Channels;

namespace HotModel.Switching;

/// <param name="Name">The server-sent event's name: "phase", "progress" or "switch".</param>
internal abstract record SwitchNews([property: JsonIgnore] string Name);

internal sealed record PhaseNews(SwitchStatus Status) : SwitchNews("phase");

internal sealed record ProgressNews(string Model, string Stage, double Fraction) : SwitchNews("progress");

internal sealed record ReportNews(SwitchReport Report) : SwitchNews("switch");

/// <summary>Tells everybody who listens what the loop does. Nobody can slow it down.</summary>
/// <param name="heard">Called first, on the thread of who publishes; null: nobody.</param>
internal sealed class SwitchFeed(Action<SwitchNews>? heard = null)
{
    /// <summary>A switch makes some hundred events at most; who is further behind loses the oldest.</summary>
    private const int Backlog = 256;

    private ImmutableList<Channel<SwitchNews>> listeners = [];
    private volatile ProgressNews? progress;

    /// <summary>The last word of a load, which may be over.</summary>
    public ProgressNews? Progress => progress;

    public void Publish(SwitchNews news)
    {
        if (news is ProgressNews step)
            progress = step;
        heard?.Invoke(news);
        foreach (var listener in Volatile.Read(ref listeners))
            listener.Writer.TryWrite(news);
    }

    /// <summary>Disposing the subscription ends it.</summary>
    public Subscription Subscribe()
    {
        var channel = Channel.CreateBounded<SwitchNews>(
            new BoundedChannelOptions(Backlog) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        ImmutableInterlocked.Update(ref listeners, (all, added) => all.Add(added), channel);
        return new Subscription(this, channel);
    }

    internal sealed class Subscription(SwitchFeed feed, Channel<SwitchNews> channel) : IDisposable
    {
        public ChannelReader<SwitchNews> Reader => channel.Reader;

        public void Dispose() =>
            ImmutableInterlocked.Update(ref feed.listeners, (all, gone) => all.Remove(gone), channel);
    }
}
