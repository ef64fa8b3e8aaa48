using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>What the scripts of one name saw.</summary>
internal sealed class ScriptCount
{
    /// <summary>Requests whose head and name were read.</summary>
    public int Requests;
    public long SentBytes;
    /// <summary>Scripts that ran to their end.</summary>
    public int Ended;
    /// <summary>Scripts under which the peer closed.</summary>
    public int Left;
    /// <summary>When it did so last, in milliseconds of Unix time.</summary>
    public long LeftAt;
}

internal sealed class ScriptCounts
{
    private readonly ConcurrentDictionary<string, ScriptCount> counts = [];

    public int Accepted;
    public int Open;

    public ScriptCount Of(string name) => counts.GetOrAdd(name, _ => new ScriptCount());

    public JsonObject Describe()
    {
        var scripts = new JsonObject();
        foreach (var (name, count) in counts)
        {
            scripts[name] = new JsonObject
            {
                ["requests"] = Volatile.Read(ref count.Requests),
                ["sent"] = Volatile.Read(ref count.SentBytes),
                ["ended"] = Volatile.Read(ref count.Ended),
                ["left"] = Volatile.Read(ref count.Left),
                ["left_at"] = Volatile.Read(ref count.LeftAt),
            };
        }
        return new JsonObject
        {
            ["accepted"] = Volatile.Read(ref Accepted),
            ["open"] = Volatile.Read(ref Open),
            ["scripts"] = scripts,
        };
    }
}
