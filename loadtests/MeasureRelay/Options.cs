namespace MeasureRelay;

/// <summary>The command line.</summary>
internal sealed record Options(
    string HotModel, string Nginx, string HaProxy, bool IsQuick, string? JsonFile, IReadOnlyList<string> Sides,
    string Only, int? Rounds)
{
    public const string UpstreamWord = "upstream";

    public static readonly string Usage =
        "usage: MeasureRelay HOTMODEL NGINX HAPROXY [--quick] [--json FILE] [--sides NAME,NAME…] [--only TEXT] [--rounds N]\n"
        + $"sides: {string.Join(", ", Side.All)}";

    /// <summary>Null where it is not understood.</summary>
    public static Options? Read(string[] words)
    {
        if (words is not [var hotModel, var nginx, var haproxy, .. var rest])
            return null;
        var options = new Options(hotModel, nginx, haproxy, IsQuick: false, null, Side.All, "", null);
        for (int i = 0; i < rest.Length; i++)
        {
            bool hasValue = i + 1 < rest.Length;
            switch (rest[i])
            {
                case "--quick":
                    options = options with { IsQuick = true };
                    break;
                case "--json" when hasValue:
                    options = options with { JsonFile = rest[++i] };
                    break;
                case "--sides" when hasValue:
                    options = options with { Sides = rest[++i].Split(',') };
                    break;
                case "--only" when hasValue:
                    options = options with { Only = rest[++i] };
                    break;
                case "--rounds" when hasValue && int.TryParse(rest[i + 1], out int rounds) && rounds > 0:
                    options = options with { Rounds = rounds };
                    i++;
                    break;
                default:
                    return null;
            }
        }
        return options.Sides.All(Side.All.Contains) ? options : null;
    }
}
